"""Argument parser of the command line: one subparser per command."""

from __future__ import annotations

import argparse
from importlib import import_module
from typing import Any

from compress_lib import __version__


def make_parser() -> argparse.ArgumentParser:
    """Return the parser with all commands."""
    parser = argparse.ArgumentParser(
        prog="compress-lab",
        description="Make a language model smaller. See what breaks.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, help_text, module in (
        ("models", "list the available models", "commands.models"),
        ("inspect", "list the compressible weights of a model", "commands.inspect"),
        ("run", "compress a model and measure the cost", "commands.run"),
        (
            "push",
            "upload a saved checkpoint to the Hugging Face Hub with a model card",
            "commands.push",
        ),
        ("app", "start the web page", "commands.app"),
        (
            "bench",
            "run a benchmark (speed, quality, …) or precompute the data of the page",
            "bench.main",
        ),
        (
            "study",
            "run a study of many measurements: sensitivity, direction_norm, p1 or p2",
            "commands.study",
        ),
        ("reproduce", "reproduce the experiments of a paper: p1 or p2", "commands.study"),
        ("space", "check or write the files of the Hugging Face Space", "commands.space"),
    ):
        command = commands.add_parser(name, help=help_text, description=help_text)
        _command(module).add_arguments(command)
        command.set_defaults(run=_command(module).run, command=name)
    return parser


def _command(name: str) -> Any:
    return import_module(f"compress_lib.cli.{name}")
