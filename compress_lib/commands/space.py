"""`compress-lab space check | render`: the README's front matter and spaces.yml agree."""

from __future__ import annotations

import argparse

from compress_lib.commands.output import write_line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "action",
        choices=("check", "render"),
        help="check: fail where README and spaces.yml differ; render: write the README's part",
    )


def run(options: argparse.Namespace) -> None:
    """Check or write the front matter."""
    from compress_lib.space import check, render

    if options.action == "render":
        changed = render()
        write_line("README.md was changed." if changed else "README.md was right already.")
        return
    check()
    write_line("README.md and spaces.yml agree.")
