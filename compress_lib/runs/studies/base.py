"""What a study is: options, cells, and how one cell is measured."""

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
"""Every study by its name; a file in this folder adds itself with `@register_study`."""

register_study = STUDIES.register


@dataclass(frozen=True)
class StudyCell:
    """One thing to measure.

    Attributes:
        key: Tells it from all others of the study; kept with its row, to resume by.
        known: The columns that are known before measuring.
        data: What the study needs to measure it.
    """

    key: str
    known: Mapping[str, Value] = field(default_factory=dict)
    data: Any = None


@dataclass(frozen=True, kw_only=True)
class Study(ABC):
    """A question that takes many measurements. Options are declared as those of methods."""

    name: ClassVar[str]
    label: ClassVar[str]
    question: ClassVar[str]
    columns: ClassVar[Mapping[str, str]]
    """By name of the column, what people read above it."""

    @property
    def evaluation(self) -> TextSpec:
        """How much text is measured on."""
        return TextSpec(tokens=1024)

    @property
    def needs_calibration(self) -> bool:
        """Whether calibration text has to be read."""
        return True

    @abstractmethod
    def cells(self, bench: StudyContext) -> list[StudyCell]:
        """Return everything there is to measure, cheap ones and dear ones alike."""

    @abstractmethod
    def measure(
        self, bench: StudyContext, cells: Iterable[StudyCell], report: Report
    ) -> Iterator[tuple[StudyCell, Row]]:
        """Measure cells one by one; each row is complete, and kept, when it is yielded."""

    @classmethod
    def options(cls) -> tuple[Option, ...]:
        """The options in the order in which they are declared."""
        return declared_options(cls)

    @property
    def settings(self) -> dict[str, Value]:
        """The options by name."""
        return {option.name: getattr(self, option.name) for option in self.options()}


def build_study(name: str, options: Mapping[str, object]) -> Study:
    """Make a study from its name and options, as they come from a command line.

    Raises:
        CompressionError: The study or an option is unknown, or a value is out of range.
    """
    study = STUDIES.find(name)
    return study(**coerce_options(study, options))
