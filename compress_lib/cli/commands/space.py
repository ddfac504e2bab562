"""`compress-lab space check | render | bundle`: the README agrees with spaces.yml; Spaces."""

from __future__ import annotations

import argparse
from pathlib import Path

from compress_lib.cli.output import write_line
from compress_lib.utils.formatting import format_bytes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "action",
        choices=("check", "render", "bundle"),
        help="check: fail where README and spaces.yml differ; render: write the README's part; "
        "bundle: write a folder that starts by itself",
    )
    parser.add_argument(
        "--profile", metavar="NAME", default="cpu-basic", help="a profile of spaces.yml, or static"
    )
    parser.add_argument("--out", metavar="FOLDER", help="where the bundle goes")
    parser.add_argument(
        "--index",
        metavar="URL",
        help="a package index that the bundle asks as well, such as PyTorch's for CPUs",
    )


def run(options: argparse.Namespace) -> None:
    """Check or write the front matter, or write a bundle."""
    from compress_lib.cli.space.front_matter import check, render

    if options.action == "render":
        changed = render()
        write_line("README.md was changed." if changed else "README.md was right already.")
        return
    if options.action == "bundle":
        _bundle(options)
        return
    check()
    write_line("README.md and spaces.yml agree.")


def _bundle(options: argparse.Namespace) -> None:
    from compress_lib.cli.space.bundle import bundle

    folder = bundle(
        options.profile, Path(options.out or f"bundle-{options.profile}"), options.index
    )
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    write_line(f"{folder}: {format_bytes(size)}")
