"""Hugging Face Hub checkpoints: check the safetensors headers first, then download."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compress_lib.errors import ModelUnavailableError, reason_of
from compress_lib.models.sources.base import FLOATING, HubUnreachableError, Weights, is_checkpoint
from compress_lib.models.sources.memory import check_memory
from compress_lib.utils.files import atomic_write, check_room, disk_errors, home, read_json
from compress_lib.utils.progress import Event, Report

if TYPE_CHECKING:
    from huggingface_hub.hf_api import ModelInfo

FILES = ["*.json", "*.model", "*.txt", "*.jinja"]
"""Files to download besides the weights; never pickles or code."""

SUBFOLDERS = ["*/*"]
"""Never downloaded: subfolders hold the same model in other formats."""

TIMEOUT = 10.0
CONVERSION_AUTHOR = "SFconvertbot"
COMMIT = re.compile(r"[0-9a-f]{40}")


def cached_snapshot(hub_id: str, revision: str | None) -> Weights | None:
    """Return a complete checkpoint from the local cache, or None; never uses the network.

    Args:
        hub_id: Repository `owner/name`.
        revision: A commit or tag; the pinned commit or `main` if None.
    """
    from huggingface_hub import errors, snapshot_download

    name = revision or pinned_commit(hub_id) or "main"
    commit = name if COMMIT.fullmatch(name) else _known_commits(hub_id).get(name)
    if commit is None:
        return None
    try:
        folder = snapshot_download(
            hub_id,
            revision=commit,
            allow_patterns=FILES,
            ignore_patterns=SUBFOLDERS,
            local_files_only=True,
        )
    except (errors.LocalEntryNotFoundError, errors.HFValidationError):
        return None
    if not is_checkpoint(Path(folder)):
        return None
    return Weights(folder, f"Hugging Face Hub ({hub_id})", commit)


def fetch_snapshot(hub_id: str, revision: str | None, report: Report) -> Weights:
    """Check a checkpoint's headers and download it, reusing files that are already complete.

    Args:
        hub_id: Repository `owner/name`.
        revision: A commit or tag; the pinned commit or the main branch if None.
        report: Receives the progress; may raise `StoppedError`.

    Raises:
        HubUnreachableError: The Hub does not answer.
        ModelUnavailableError: The model is unknown, gated, not in safetensors, too large, in an
            unsupported number type, or not a language model.
        CompressionError: The disk has too little space.
    """
    from huggingface_hub import constants, snapshot_download

    report(Event(0.0, f"Querying the Hugging Face Hub for {hub_id}"))
    cache = Path(constants.HF_HUB_CACHE)
    with _hub_errors(hub_id, revision), disk_errors(cache):
        info = _model_info(hub_id, revision or pinned_commit(hub_id))
        commit = str(info.sha)
        parameters, sizes = _weights(hub_id, commit)
        check_memory(hub_id, parameters)
        nbytes = sum(sizes.values())
        check_room(cache, nbytes, f"The download of {hub_id}", "HF_HOME")
        _check_architecture(hub_id, commit)
        with _plain_http():
            folder = snapshot_download(
                hub_id,
                revision=commit,
                allow_patterns=[*FILES, *sizes],
                ignore_patterns=SUBFOLDERS,
                tqdm_class=_progress_bar(report, hub_id, nbytes),
            )
    if not is_checkpoint(Path(folder)):
        raise ModelUnavailableError(f"The checkpoint of {hub_id} on the Hub is incomplete.")
    commits = {**_known_commits(hub_id), revision or "main": commit}
    atomic_write(_note_path(hub_id), json.dumps(commits, indent=1) + "\n")
    return Weights(folder, f"Hugging Face Hub ({hub_id})", commit)


def resolve_commit(hub_id: str) -> str:
    """Query the Hub for the current commit of a repository's main branch.

    Raises:
        HubUnreachableError: The Hub does not answer.
        ModelUnavailableError: The repository is unknown or gated.
    """
    with _hub_errors(hub_id, None):
        return str(_model_info(hub_id, None).sha)


def pinned_commit(hub_id: str) -> str | None:
    """Return the commit that this project pins for a repository, or None."""
    from compress_lib.utils.profiles import pins

    return pins().get(hub_id)


def _note_path(hub_id: str) -> Path:
    """Return the file that stores the commits to which revision names were resolved."""
    return home() / "hub" / f"{hub_id.replace('/', '--')}.json"


def _known_commits(hub_id: str) -> dict[str, str]:
    known = read_json(_note_path(hub_id))
    return known if isinstance(known, dict) else {}


def _model_info(hub_id: str, revision: str | None) -> ModelInfo:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    api = HfApi()
    info = api.model_info(hub_id, revision=revision, timeout=TIMEOUT)
    names = [file.rfilename for file in info.siblings or []]
    if any(name.endswith(".safetensors") for name in names) or revision is not None:
        return info
    # Older repositories contain only pickles; the Hub's converter bot puts safetensors into a
    # pull request, where transformers looks for them as well.
    try:
        for discussion in api.get_repo_discussions(hub_id, author=CONVERSION_AUTHOR):
            by_bot = discussion.is_pull_request and discussion.author == CONVERSION_AUTHOR
            if by_bot and discussion.status in ("open", "merged"):
                return api.model_info(hub_id, revision=discussion.git_reference, timeout=TIMEOUT)
    except HfHubHTTPError as error:
        # Client errors are ignored: a repository may have discussions disabled.
        if error.response.status_code >= 500:
            raise
    return info


def _weights(hub_id: str, commit: str) -> tuple[int, dict[str, int]]:
    """Return the number of weights and the bytes of each file, from the headers only."""
    from huggingface_hub import HfApi

    metadata = HfApi().get_safetensors_metadata(hub_id, revision=commit)
    types = sorted(metadata.parameter_count)
    if not any(name in FLOATING for name in types):
        raise ModelUnavailableError(
            f"The weights of {hub_id} are {', '.join(types) or 'empty'}; at least some must be "
            f"{', '.join(FLOATING)}. Checkpoints that are already quantized cannot be compressed."
        )
    sizes = {
        name: max((tensor.data_offsets[1] for tensor in file.tensors.values()), default=0)
        for name, file in metadata.files_metadata.items()
    }
    return sum(metadata.parameter_count.values()), sizes


def _check_architecture(hub_id: str, commit: str) -> None:
    """Download config.json and refuse unsupported architectures before the weights."""
    from huggingface_hub import hf_hub_download

    from compress_lib.models.kinds import why_unsupported

    config = hf_hub_download(hub_id, "config.json", revision=commit)
    reason = why_unsupported(Path(config).parent)
    if reason is not None:
        raise ModelUnavailableError(f"{hub_id} cannot be loaded: {reason}")


@contextmanager
def _plain_http() -> Iterator[None]:
    """Disable hf_xet, which swallows exceptions of progress callbacks and cannot be stopped."""
    from huggingface_hub import constants

    before = constants.HF_HUB_DISABLE_XET
    constants.HF_HUB_DISABLE_XET = True
    try:
        yield
    finally:
        constants.HF_HUB_DISABLE_XET = before


def _progress_bar(report: Report, hub_id: str, nbytes: int) -> type[Any]:
    from tqdm.auto import tqdm

    fraction = 0.0

    class Bar(tqdm):  # type: ignore[misc]
        """Progress bar that forwards received bytes to `report` and draws nothing."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            kwargs.pop("name", None)
            self._counts_bytes = kwargs.get("unit") == "B"
            super().__init__(*args, **{**kwargs, "disable": False, "file": _NullFile()})

        def update(self, n: float | None = 1) -> bool | None:
            nonlocal fraction
            done: bool | None = super().update(n)
            if self._counts_bytes:
                # The bar's total grows with every file that starts, and a file may restart, so
                # use the known total and never let the fraction decrease.
                total = max(self.total or 0, nbytes, 1)
                fraction = max(fraction, min(self.n / total, 1.0))
                received = f"{fraction * total / 1e6:.0f} of {total / 1e6:.0f} MB"
                report(Event(fraction, f"Downloading {hub_id}: {received}"))
            return done

    return Bar


class _NullFile:
    """File that discards all output."""

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        pass


@contextmanager
def _hub_errors(hub_id: str, revision: str | None) -> Iterator[None]:
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError as error:
        raise ModelUnavailableError(
            f"{hub_id} is gated: accept its licence on its Hugging Face Hub page, then log in on "
            "this machine with `hf auth login` or set HF_TOKEN."
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise ModelUnavailableError(
            f"There is no model {hub_id} on the Hugging Face Hub that this machine can access: "
            "check the spelling, or log in if the model is private."
        ) from error
    except errors.RevisionNotFoundError as error:
        raise ModelUnavailableError(f"{hub_id} has no revision {revision!r} on the Hub.") from error
    except errors.RemoteEntryNotFoundError as error:
        raise ModelUnavailableError(
            f"A file that {hub_id} refers to is missing on the Hub."
        ) from error
    except (errors.NotASafetensorsRepoError, errors.SafetensorsParsingError) as error:
        raise ModelUnavailableError(
            f"{hub_id} has no readable safetensors weights; other formats can execute code when "
            "loaded and are not supported."
        ) from error
    except errors.HFValidationError as error:
        raise ModelUnavailableError(f"{hub_id!r} is not a valid Hub id: {error}") from error
    except (
        errors.OfflineModeIsEnabled,
        errors.LocalEntryNotFoundError,
        errors.HTTPError,  # type: ignore[attr-defined]
        ConnectionError,
        TimeoutError,
        json.JSONDecodeError,  # A network's login page instead of the Hub.
    ) as error:
        if getattr(getattr(error, "response", None), "status_code", None) == 401:
            raise ModelUnavailableError(
                "The Hugging Face Hub does not accept the access token on this machine: log in "
                "again with `hf auth login`, or correct HF_TOKEN."
            ) from error
        # For a single file, the library's own message only says that it is not cached either.
        cause = error.__cause__ if isinstance(error, errors.LocalEntryNotFoundError) else None
        raise HubUnreachableError(reason_of(cause or error).rstrip(".")) from error
    except OSError as error:
        message = f"{hub_id} could not be downloaded: {reason_of(error)}"
        raise ModelUnavailableError(message) from error
