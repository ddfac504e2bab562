"""`compress-lab push FOLDER REPO`: put a saved checkpoint on the Hugging Face Hub."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from compress_lib.cli.output import ProgressLine, write_json, write_line
from compress_lib.errors import CompressionError
from compress_lib.models.sources import HUB_ID
from compress_lib.reporting.exports.card import CARD_FILE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("folder", help="a checkpoint that compress-lab run --save wrote")
    parser.add_argument("repo", help="where it goes: owner/name")
    parser.add_argument("--private", action="store_true", help="nobody else may see it")
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be sent; send nothing"
    )
    parser.add_argument("--json", action="store_true", help="write what was sent as JSON")


def run(options: argparse.Namespace) -> None:
    """Send the folder with its model card; whatever is wrong is said before anything is sent."""
    folder, repo = Path(options.folder), options.repo
    files = check_folder(folder, repo)
    size = sum(file.stat().st_size for file in files)
    told = {"repo": repo, "files": [file.name for file in files], "bytes": size}
    if not options.dry_run:
        ProgressLine().line(0.0, f"Sending {size / 1e6:,.1f} MB to {repo}")
        told["url"] = send(folder, files, repo, private=options.private)
    if options.json:
        write_json(told)
        return
    write_line(f"{', '.join(told['files'])}: {size / 1e6:,.1f} MB")
    write_line(str(told.get("url", f"Nothing was sent to {repo}.")))


def check_folder(folder: Path, repo: str) -> list[Path]:
    """Return the files to send.

    Raises:
        CompressionError: The folder is no checkpoint of ours, has no model card, or the
            repository's name is none.
    """
    from compress_lib.models.checkpoint import read_description

    if not HUB_ID.fullmatch(repo):
        raise CompressionError(f"A repository is owner/name, such as me/small-model, not {repo!r}.")
    if not folder.is_dir() or read_description(folder) is None:
        raise CompressionError(
            f"{folder} is not a checkpoint of Compression Lab. Make one with "
            "compress-lab run … --save FOLDER."
        )
    if not (folder / CARD_FILE).is_file():
        raise CompressionError(
            f"{folder} has no {CARD_FILE} that says what was done to the model and what it cost; "
            "compress-lab run … --save FOLDER writes one."
        )
    return sorted(file for file in folder.iterdir() if file.is_file())


def send(folder: Path, files: Sequence[Path], repo: str, *, private: bool) -> str:
    """Upload files of a folder, and return the address of the commit.

    Raises:
        CompressionError: The Hub cannot be reached or refuses.
    """
    import httpx
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError

    api = HfApi()
    try:
        api.create_repo(repo, private=private, exist_ok=True)
        # One that was there before keeps being seen by whoever could see it.
        if private and not api.repo_info(repo).private:
            raise CompressionError(
                f"{repo} exists and is public, so --private cannot hold. Name another repository, "
                "or make that one private on the Hub first."
            )
        commit = api.upload_folder(
            repo_id=repo,
            folder_path=folder,
            allow_patterns=[file.name for file in files],
            commit_message="A model compressed by Compression Lab",
        )
    except LocalTokenNotFoundError as error:
        raise CompressionError("The Hub does not know you: run `hf auth login` first.") from error
    except (HfHubHTTPError, httpx.HTTPError, OSError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise CompressionError(f"The Hub did not take {repo}: {first}") from error
    return str(commit)
