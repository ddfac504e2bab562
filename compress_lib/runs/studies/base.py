"""Study base class and registry: options, cells, and how cells are measured."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from compress_lib.data.text_spec import TextSpec
from compress_lib.methods import Option
from compress_lib.runs.studies.record import Row, Value
from compress_lib.utils.options import coerce_options, declared_options
from compress_lib.utils.progress import Report
from compress_lib.utils.registry import Registry

if TYPE_CHECKING:
    from compress_lib.runs.studies.context import StudyContext

STUDIES: Registry[Study] = Registry("study")
"""All studies by name; a file in this folder registers its study with `@register_study`."""

register_study = STUDIES.register


@dataclass(frozen=True)
class StudyCell:
    """One measurement of a study.

    Attributes:
        key: Identifies the cell within the study, to resume from stored rows.
        known: The columns that are known before measuring.
        data: Input of the study's `measure`; None if there is nothing to measure.
    """

    key: str
    known: Mapping[str, Value] = field(default_factory=dict)
    data: Any = None


@dataclass(frozen=True, kw_only=True)
class Study(ABC):
    """An experiment of many measurements. Options are declared like those of methods."""

    name: ClassVar[str]
    label: ClassVar[str]
    question: ClassVar[str]
    columns: ClassVar[Mapping[str, str]]
    """Column headings by column name."""

    @property
    def evaluation(self) -> TextSpec:
        """The evaluation text."""
        return TextSpec(tokens=1024)

    @property
    def needs_calibration(self) -> bool:
        """Whether the study needs calibration text."""
        return True

    @abstractmethod
    def cells(self, context: StudyContext) -> list[StudyCell]:
        """Return all cells of the study for a model."""

    @abstractmethod
    def measure(
        self, context: StudyContext, cells: Iterable[StudyCell], report: Report
    ) -> Iterator[tuple[StudyCell, Row]]:
        """Measure cells one by one.

        Args:
            context: The model with its texts and its baseline.
            cells: The cells to measure.
            report: Receives progress events; may raise `StoppedError`.

        Yields:
            Each cell with its complete row, which is stored at once.
        """

    @classmethod
    def options(cls) -> tuple[Option, ...]:
        """Return the options in the order of their declaration."""
        return declared_options(cls)

    @property
    def settings(self) -> dict[str, Value]:
        """The values of the options by name."""
        return {option.name: getattr(self, option.name) for option in self.options()}


def build_study(name: str, options: Mapping[str, object]) -> Study:
    """Build a study from its name and options, which may be text from a command line.

    Args:
        name: The name of the study.
        options: Values by option name.

    Raises:
        CompressionError: The study or an option is unknown, or a value is out of range.
    """
    study = STUDIES.find(name)
    return study(**coerce_options(study, options))
