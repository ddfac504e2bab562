"""`compress-lab app`: open the page."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--host", help="address to listen on; this machine only by default")
    parser.add_argument("--port", type=int, help="port to listen on; 7860 by default")
    parser.add_argument("--profile", metavar="NAME", help="whose limits of spaces.yml hold")
    parser.add_argument("--language", metavar="CODE", help="what the page speaks, such as de")
    parser.add_argument("--json", action="store_true", help="write the address as JSON")


def run(options: argparse.Namespace) -> None:
    """Build the page and serve it until it is stopped."""
    from compress_lib.ui.common.languages import use_language
    from compress_lib.utils.profiles import use_profile

    if options.profile is not None:
        use_profile(options.profile)
    if options.language is not None:
        use_language(options.language)
    # The page takes its texts in the language that was chosen by now.
    from compress_lib.ui.serve import launch

    launch(host=options.host, port=options.port, as_json=options.json)
