"""Zero-shot likelihood tasks through EleutherAI's lm_eval, an optional extra.

Source: Gao et al., "The Language Model Evaluation Harness", github.com/EleutherAI/
lm-evaluation-harness. Two small bundled tasks in `assets/tasks` need no download.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from compress_lib.errors import CompressionError, reason_of, unknown_name
from compress_lib.evaluation.lm_eval_adapter import quiet, scores
from compress_lib.results.records import RunRecord, TaskRecord
from compress_lib.utils.paths import ROOT
from compress_lib.utils.progress import Report, ignore, subrange

if TYPE_CHECKING:
    from compress_lib.models.loading import LanguageModel

FOLDER = ROOT / "assets" / "tasks"

BY_LIKELIHOOD = ("multiple_choice", "loglikelihood")
"""lm_eval's output types that compare likelihoods of given answers; others generate text."""


@dataclass(frozen=True)
class ChosenTasks:
    """Tasks with their data loaded.

    Attributes:
        tasks: lm_eval's task objects by name; groups and tags are expanded to their tasks.
        limit: Maximum items per task; all if None.
    """

    tasks: dict[str, Any] = field(default_factory=dict)
    limit: int | None = None

    def samples(self, name: str) -> int:
        """Return the number of items that will be evaluated for a task."""
        size = len(self.tasks[name].eval_docs)
        return size if self.limit is None else min(size, self.limit)

    def answered_by(self, record: RunRecord) -> bool:
        """Return whether a run measured all of these tasks on the same number of items."""
        measured = {(task.task, task.samples) for task in record.tasks}
        return all((name, self.samples(name)) in measured for name in self.tasks)


def own_tasks() -> tuple[str, ...]:
    """Return the names of the bundled tasks."""
    return tuple(sorted(file.stem for file in FOLDER.glob("*.yaml")))


def load_tasks(names: Sequence[str], limit: int | None = None) -> ChosenTasks:
    """Find tasks and load their data, which lm_eval may have to download.

    Args:
        names: Tasks, groups or tags of lm_eval, or bundled tasks.
        limit: Maximum items per task; all if None.

    Raises:
        CompressionError: lm_eval is not installed, a name is unknown, a task's data is not
            available, or a task is not likelihood-based.
    """
    if not names:
        return ChosenTasks()
    try:
        from lm_eval.tasks import TaskManager
    except ImportError as error:
        raise CompressionError(
            'Tasks require lm_eval, which is not installed: pip install "compress-lab[tasks]".'
        ) from error
    bundled = own_tasks()
    with quiet():
        # Indexing all tasks takes seconds, and bundled tasks do not need it.
        manager = TaskManager(include_defaults=not set(names) <= set(bundled))
        tasks: dict[str, Any] = {}
        for name in names:
            if name not in bundled and name not in manager.task_index:
                allowed = [*bundled, *manager.all_tasks]
                listed = ", ".join([*bundled, "and the tasks that `lm_eval ls tasks` lists"])
                raise unknown_name("task", name, allowed, listed=listed)
            tasks |= _load(manager, name, _own_config(name) if name in bundled else name)
    for name, task in tasks.items():
        kind = task.get_config("output_type")
        if kind not in BY_LIKELIHOOD or getattr(task, "MULTIMODAL", False):
            raise CompressionError(
                f"The task {name} has the output type {kind}, but only text tasks that compare "
                f"likelihoods of given answers are supported: {' and '.join(BY_LIKELIHOOD)}."
            )
    return ChosenTasks(tasks, limit)


def run_tasks(
    model: LanguageModel,
    compressed: LanguageModel,
    chosen: ChosenTasks,
    *,
    report: Report = ignore,
) -> list[TaskRecord]:
    """Evaluate both models on tasks, zero-shot and without a chat template.

    Args:
        model: The original.
        compressed: The compressed model.
        chosen: The tasks from `load_tasks`.
        report: Receives progress events; may raise `StoppedError`.

    Returns:
        A record for every metric of every task, in order.
    """
    if not chosen.tasks:
        return []
    both = compressed is not model
    first = scores(model, chosen.tasks, chosen.limit, subrange(report, 0.0, 0.5 if both else 1.0))
    second = (
        scores(compressed, chosen.tasks, chosen.limit, subrange(report, 0.5, 1.0))
        if both
        else first
    )
    return [
        TaskRecord(
            task=task,
            metric=metric,
            baseline=before.value,
            compressed=second[task, metric].value,
            baseline_stderr=before.stderr,
            compressed_stderr=second[task, metric].stderr,
            samples=chosen.samples(task),
        )
        for (task, metric), before in first.items()
    ]


def _load(manager: Any, name: str, spec: str | dict[str, Any]) -> dict[str, Any]:
    """Load the data of a task, a group or a tag."""
    try:
        return manager.load([spec])["tasks"]  # type: ignore[no-any-return]
    except ConnectionError as error:
        bundled = f"; {' and '.join(own_tasks())} need no download" if own_tasks() else ""
        raise CompressionError(
            f"The data of the task {name} is not on this machine and cannot be downloaded from "
            f"the Hugging Face Hub ({reason_of(error).rstrip('.')}){bundled}."
        ) from error
    # Raised by a task's own code, or by missing data files.
    except (OSError, ValueError, LookupError, RuntimeError, ImportError) as error:
        raise CompressionError(
            f"The task {name} cannot be loaded: {reason_of(error).rstrip('.')}."
        ) from error


def _own_config(name: str) -> dict[str, Any]:
    """Return the configuration of a bundled task, with absolute paths of its data files."""
    import yaml

    config: dict[str, Any] = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    files = config["dataset_kwargs"]["data_files"]
    # Paths in the file are relative to the checkout, as lm_eval's command line expects.
    config["dataset_kwargs"]["data_files"] = {
        split: str(ROOT / file) for split, file in files.items()
    }
    return config
