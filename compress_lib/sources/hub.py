"""Checkpoints of the Hugging Face Hub: checked by their headers, then downloaded."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compress_lib.errors import ModelUnavailableError
from compress_lib.progress import Progress
from compress_lib.sources.base import HubUnreachableError, Weights, is_checkpoint
from compress_lib.sources.memory import check_memory
from compress_lib.storage import check_room, home, read_json, write_whole

if TYPE_CHECKING:
    from huggingface_hub.hf_api import ModelInfo

FILES = ("*.safetensors", "*.json", "tokenizer.model", "*.txt", "*.jinja")
TIMEOUT = 10.0
CONVERSION_AUTHOR = "SFconvertbot"


def cached_snapshot(hub_id: str, revision: str | None) -> Weights | None:
    """Return a whole checkpoint that is already here, without asking the network."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    known = read_json(_note_path(hub_id)) or {}
    commit = revision or pinned_commit(hub_id) or known.get("commit")
    if not commit or not re.fullmatch(r"[0-9a-f]{40}", commit):
        return None
    try:
        folder = snapshot_download(hub_id, revision=commit, local_files_only=True)
    except LocalEntryNotFoundError:
        return None
    if not is_checkpoint(Path(folder)):
        return None
    return Weights(folder, f"Hugging Face Hub ({hub_id})", commit)


def fetch_snapshot(hub_id: str, revision: str | None, progress: Progress) -> Weights:
    """Check a checkpoint's headers and download it; a broken download resumes next time.

    Raises:
        HubUnreachableError: The Hub does not answer.
        ModelUnavailableError: It is unknown, gated, not in safetensors, or too large.
    """
    progress(0.0, f"Asking the Hugging Face Hub about {hub_id}")
    with _hub_errors(hub_id, revision):
        from huggingface_hub import snapshot_download

        info = _model_info(hub_id, revision or pinned_commit(hub_id))
        commit = str(info.sha)
        parameters, nbytes = _weights_size(hub_id, commit)
        check_memory(hub_id, parameters)
        check_room(home(), nbytes, f"The download of {hub_id}")
        folder = snapshot_download(
            hub_id,
            revision=commit,
            allow_patterns=list(FILES),
            tqdm_class=_progress_bar(progress, hub_id),
        )
    if not is_checkpoint(Path(folder)):
        raise ModelUnavailableError(f"The files of {hub_id} on the Hub are not a whole checkpoint.")
    write_whole(_note_path(hub_id), f'{{"commit": "{commit}"}}\n')
    return Weights(folder, f"Hugging Face Hub ({hub_id})", commit)


def resolve_commit(hub_id: str) -> str:
    """Ask the Hub for the commit of a repository's main branch.

    Raises:
        HubUnreachableError: The Hub does not answer.
        ModelUnavailableError: It is unknown or gated.
    """
    with _hub_errors(hub_id, None):
        return str(_model_info(hub_id, None).sha)


def pinned_commit(hub_id: str) -> str | None:
    """Return the commit that the project pins for a repository, if it does."""
    from compress_lib.space import pins

    return pins().get(hub_id)


def _note_path(hub_id: str) -> Path:
    """The file that remembers which commit was resolved at the first load."""
    return home() / "hub" / f"{hub_id.replace('/', '--')}.json"


def _model_info(hub_id: str, revision: str | None) -> ModelInfo:
    from huggingface_hub import HfApi

    api = HfApi()
    info = api.model_info(hub_id, revision=revision, timeout=TIMEOUT)
    names = [file.rfilename for file in info.siblings or []]
    if any(name.endswith(".safetensors") for name in names) or revision is not None:
        return info
    # Older repositories hold pickles only; the Hub's own converter then left its safetensors
    # in a pull request, which is where transformers looks as well.
    for discussion in api.get_repo_discussions(hub_id, author=CONVERSION_AUTHOR):
        if discussion.is_pull_request and discussion.status in ("open", "merged"):
            return api.model_info(hub_id, revision=discussion.git_reference, timeout=TIMEOUT)
    return info


def _weights_size(hub_id: str, commit: str) -> tuple[int, int]:
    """Return the number of weights and their bytes from the headers alone."""
    from huggingface_hub import HfApi

    metadata = HfApi().get_safetensors_metadata(hub_id, revision=commit)
    parameters = sum(metadata.parameter_count.values())
    nbytes = 0
    for file in metadata.files_metadata.values():
        nbytes += max((t.data_offsets[1] for t in file.tensors.values()), default=0)
    return parameters, nbytes


def _progress_bar(progress: Progress, hub_id: str) -> type[Any]:
    from tqdm.auto import tqdm

    class Bar(tqdm):  # type: ignore[type-arg]
        """Passes on the bytes that came; draws nothing."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            kwargs.pop("name", None)
            self._counts_bytes = kwargs.get("unit") == "B"
            super().__init__(*args, **{**kwargs, "disable": False, "file": _Nowhere()})

        def update(self, n: float | None = 1) -> bool | None:
            done = super().update(n)
            if self._counts_bytes and self.total:
                share = min(self.n / self.total, 1.0)
                progress(share, f"Downloading {hub_id}: {self.n / 1e6:.0f} MB")
            return done

    return Bar


class _Nowhere:
    """A file that forgets."""

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
            f"{hub_id} is gated: accept its licence on its page on the Hugging Face Hub, then "
            "log in here with `hf auth login` or set HF_TOKEN."
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise ModelUnavailableError(
            f"There is no model {hub_id} on the Hugging Face Hub that this machine may read: "
            "check the spelling, or log in if it is private."
        ) from error
    except errors.RevisionNotFoundError as error:
        raise ModelUnavailableError(f"{hub_id} has no revision {revision!r} on the Hub.") from error
    except (errors.NotASafetensorsRepoError, errors.SafetensorsParsingError) as error:
        raise ModelUnavailableError(
            f"{hub_id} has no readable safetensors weights; other formats can run code when "
            "opened and are never loaded."
        ) from error
    except errors.HFValidationError as error:
        raise ModelUnavailableError(f"{hub_id!r} is not a valid Hub id: {error}") from error
    except (
        errors.OfflineModeIsEnabled,
        errors.LocalEntryNotFoundError,
        errors.HTTPError,
        ConnectionError,
        TimeoutError,
    ) as error:
        raise HubUnreachableError(str(error).split("\n")[0] or type(error).__name__) from error
