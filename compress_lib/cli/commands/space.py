"""Space commands `compress-lab space check | render | bundle`: documents and deployment."""

from __future__ import annotations

import argparse
from pathlib import Path

from compress_lib.cli.output import write_line
from compress_lib.utils.formatting import format_bytes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "action",
        choices=("check", "render", "bundle"),
        help="check: fail if README.md or a document in assets/docs is out of date; render: update "
        "them; bundle: write a self-contained folder to deploy",
    )
    parser.add_argument(
        "--profile", metavar="NAME", default="cpu-basic", help="profile of spaces.yml, or static"
    )
    parser.add_argument("--out", metavar="FOLDER", help="folder of the bundle")
    parser.add_argument(
        "--index",
        metavar="URL",
        help="extra package index of the bundle, e.g. PyTorch's for CPUs",
    )


def run(options: argparse.Namespace) -> None:
    """Check or update the documents, or write a bundle."""
    from compress_lib.cli.space.front_matter import check, render

    if options.action == "render":
        changed = ", ".join(path.name for path in render())
        write_line(f"Updated {changed}." if changed else "All documents are up to date.")
        return
    if options.action == "bundle":
        _bundle(options)
        return
    check()
    write_line("All documents agree with the code and spaces.yml.")


def _bundle(options: argparse.Namespace) -> None:
    from compress_lib.cli.space.bundle import bundle

    folder = bundle(
        options.profile, Path(options.out or f"bundle-{options.profile}"), options.index
    )
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    write_line(f"{folder}: {format_bytes(size)}")
