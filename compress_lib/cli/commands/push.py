"""Checkpoint upload to the Hugging Face Hub (`compress-lab push FOLDER REPO`)."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from compress_lib.cli.output import ProgressLine, write_json, write_line
from compress_lib.errors import CompressionError
from compress_lib.models.sources import HUB_ID
from compress_lib.reporting.exports.card import CARD_FILE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("folder", help="checkpoint written by compress-lab run --save")
    parser.add_argument("repo", help="target repository: owner/name")
    parser.add_argument("--private", action="store_true", help="create the repository as private")
    parser.add_argument(
        "--dry-run", action="store_true", help="list the files without uploading them"
    )
    parser.add_argument("--json", action="store_true", help="write JSON to stdout")


def run(options: argparse.Namespace) -> None:
    """Check a checkpoint folder, then upload it with its model card."""
    folder, repo = Path(options.folder), options.repo
    files = check_folder(folder, repo)
    size = sum(file.stat().st_size for file in files)
    result = {"repo": repo, "files": [file.name for file in files], "bytes": size}
    if not options.dry_run:
        ProgressLine().line(0.0, f"Uploading {size / 1e6:,.1f} MB to {repo}")
        result["url"] = send(folder, files, repo, private=options.private)
    if options.json:
        write_json(result)
        return
    write_line(f"{', '.join(result['files'])}: {size / 1e6:,.1f} MB")
    write_line(str(result.get("url", f"Dry run: nothing was uploaded to {repo}.")))


def check_folder(folder: Path, repo: str) -> list[Path]:
    """Return the files to upload.

    Args:
        folder: The checkpoint folder.
        repo: The target repository, `owner/name`.

    Raises:
        CompressionError: The folder is not a checkpoint of Compression Lab, it has no model card,
            or the repository name is invalid.
    """
    from compress_lib.models.checkpoint import read_description

    if not HUB_ID.fullmatch(repo):
        raise CompressionError(
            f"A repository must be owner/name, e.g. me/small-model, not {repo!r}."
        )
    if not folder.is_dir() or read_description(folder) is None:
        raise CompressionError(
            f"{folder} is not a checkpoint of Compression Lab. Make one with "
            "compress-lab run … --save FOLDER."
        )
    if not (folder / CARD_FILE).is_file():
        raise CompressionError(
            f"{folder} has no model card ({CARD_FILE}). Write one with "
            "compress-lab run … --save FOLDER."
        )
    return sorted(file for file in folder.iterdir() if file.is_file())


def send(folder: Path, files: Sequence[Path], repo: str, *, private: bool) -> str:
    """Upload files of a folder and return the URL of the commit.

    Args:
        folder: The checkpoint folder.
        files: The files of the folder to upload.
        repo: The target repository, `owner/name`.
        private: Whether a new repository is private.

    Raises:
        CompressionError: The Hub cannot be reached or rejects the upload, or `private` is set and
            the repository is public.
    """
    import httpx
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError

    api = HfApi()
    try:
        api.create_repo(repo, private=private, exist_ok=True)
        # `create_repo` does not change the visibility of an existing repository.
        if private and not api.repo_info(repo).private:
            raise CompressionError(
                f"{repo} exists and is public, so --private has no effect. Name another "
                "repository, or make this one private on the Hub first."
            )
        commit = api.upload_folder(
            repo_id=repo,
            folder_path=folder,
            allow_patterns=[file.name for file in files],
            commit_message="Upload a model compressed by Compression Lab",
        )
    except LocalTokenNotFoundError as error:
        raise CompressionError(
            "You are not logged in to the Hub: run `hf auth login` first."
        ) from error
    except (HfHubHTTPError, httpx.HTTPError, OSError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise CompressionError(f"The upload to {repo} failed: {reason}") from error
    return str(commit)
