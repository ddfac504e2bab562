"""Zero-shot tasks by likelihood, through EleutherAI's lm_eval, which is an optional extra.

Source: Gao et al., "The Language Model Evaluation Harness", github.com/EleutherAI/
lm-evaluation-harness. Two small tasks of our own lie in `assets/tasks` and need no download.
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
"""The kinds of tasks that compare likelihoods of given answers; others make the model write."""


@dataclass(frozen=True)
class ChosenTasks:
    """Tasks whose data is here.

    Attributes:
        tasks: lm_eval's task objects by name; a group or a tag stands for all of its tasks.
        limit: How many items of each to take; all if None.
    """

    tasks: dict[str, Any] = field(default_factory=dict)
    limit: int | None = None

    def samples(self, name: str) -> int:
        """How many items of a task will be asked."""
        size = len(self.tasks[name].eval_docs)
        return size if self.limit is None else min(size, self.limit)

    def answered_by(self, record: RunRecord) -> bool:
        """Whether a run measured all of these tasks on as many items."""
        known = {(task.task, task.samples) for task in record.tasks}
        return all((name, self.samples(name)) in known for name in self.tasks)


def own_tasks() -> tuple[str, ...]:
    """Return the names of the tasks that came with the lab."""
    return tuple(sorted(file.stem for file in FOLDER.glob("*.yaml")))


def load_tasks(names: Sequence[str], limit: int | None = None) -> ChosenTasks:
    """Find tasks and read their data, which lm_eval may have to download.

    Args:
        names: Tasks, groups or tags of lm_eval, or tasks of our own.
        limit: How many items of each to take; all if None.

    Raises:
        CompressionError: lm_eval is not installed, a name is unknown, a task's data cannot be
            had, or a task is not decided by likelihoods.
    """
    if not names:
        return ChosenTasks()
    try:
        from lm_eval.tasks import TaskManager
    except ImportError as error:
        raise CompressionError(
            "Tasks are measured by lm_eval, which is not installed here: "
            'pip install "compress-lab[tasks]".'
        ) from error
    own = own_tasks()
    with quiet():
        # Reading the index of all tasks takes seconds, which our own do not need.
        manager = TaskManager(include_defaults=not set(names) <= set(own))
        found: dict[str, Any] = {}
        for name in names:
            if name not in own and name not in manager.task_index:
                known = [*own, *manager.all_tasks]
                listed = ", ".join([*own, "and what `lm_eval ls tasks` lists"])
                raise unknown_name("task", name, known, listed=listed)
            found |= _load(manager, name, _own_config(name) if name in own else name)
    for name, task in found.items():
        kind = task.get_config("output_type")
        if kind not in BY_LIKELIHOOD or getattr(task, "MULTIMODAL", False):
            raise CompressionError(
                f"The task {name} is of the kind {kind}; only tasks that compare likelihoods of "
                f"given answers can be run: {' and '.join(BY_LIKELIHOOD)}."
            )
    return ChosenTasks(found, limit)


def run_tasks(
    model: LanguageModel,
    compressed: LanguageModel,
    chosen: ChosenTasks,
    *,
    report: Report = ignore,
) -> list[TaskRecord]:
    """Let both models do tasks, without examples (zero-shot) and without a chat template.

    Args:
        model: The model as it was.
        compressed: The same model, compressed.
        chosen: What `load_tasks` gave.
        report: Told how far it is; may raise `StoppedError`.

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
    """Read the data of a task, a group or a tag."""
    try:
        return manager.load([spec])["tasks"]  # type: ignore[no-any-return]
    except ConnectionError as error:
        own = f"; {' and '.join(own_tasks())} need no download" if own_tasks() else ""
        raise CompressionError(
            f"The data of the task {name} is not on this machine and cannot be downloaded without "
            f"the Hugging Face Hub ({reason_of(error).rstrip('.')}){own}."
        ) from error
    # Whatever a task's own code and data files are missing.
    except (OSError, ValueError, LookupError, RuntimeError, ImportError) as error:
        raise CompressionError(
            f"The task {name} cannot be prepared: {reason_of(error).rstrip('.')}."
        ) from error


def _own_config(name: str) -> dict[str, Any]:
    """Return the description of a task of our own, with its data found from anywhere."""
    import yaml

    config: dict[str, Any] = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    files = config["dataset_kwargs"]["data_files"]
    # In the file it is seen from the root of the checkout, as lm_eval's own command line needs.
    config["dataset_kwargs"]["data_files"] = {
        split: str(ROOT / file) for split, file in files.items()
    }
    return config
