"""The command line: `compress-lab models | inspect | run | study | app | …`.

Results go to stdout, progress to stderr. A mistake is one sentence and exit code 2; Ctrl-C leaves
nothing half-written and exits with 130.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any

from compress_lib.cli.runtime import configure_runtime
from compress_lib.errors import CompressionError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    configure_runtime()
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except CompressionError as error:
        sys.stderr.write(f"compress-lab: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("\ncompress-lab: stopped; nothing half-written was left.\n")
        return 130
    except BrokenPipeError:
        # Whoever read our output, such as `head`, has seen enough.
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123 - lives until the exit
        return 0
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="compress-lab",
        description="Find out what compressing a language model really costs.",
    )
    from compress_lib import __version__

    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, help_text, module in (
        ("models", "list the models on offer", "commands.models"),
        ("inspect", "list the weights of a model that can be compressed", "commands.inspect"),
        ("run", "compress a model and measure what it cost", "commands.run"),
        ("push", "put a saved checkpoint on the Hub, with a model card", "commands.push"),
        ("app", "open the page", "commands.app"),
        (
            "bench",
            "measure speed, quality and what the page shows, for anyone to repeat",
            "bench.main",
        ),
        (
            "study",
            "many measurements, one table: sensitivity, direction_norm, p1, p2",
            "commands.study",
        ),
        ("reproduce", "repeat a paper's experiments: p1 or p2", "commands.study"),
        ("space", "check or write what the Space is made of", "commands.space"),
    ):
        command = commands.add_parser(name, help=help_text, description=help_text)
        _command(module).add_arguments(command)
        command.set_defaults(run=_command(module).run, command=name)
    return parser


def _command(name: str) -> Any:
    from importlib import import_module

    return import_module(f"compress_lib.cli.{name}")


if __name__ == "__main__":
    sys.exit(main())
