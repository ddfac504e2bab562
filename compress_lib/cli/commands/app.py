"""Web page command (`compress-lab app`)."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("--host", help="address to listen on (default: this machine only)")
    parser.add_argument("--port", type=int, help="port to listen on (default: 7860)")
    parser.add_argument("--profile", metavar="NAME", help="profile of spaces.yml with the limits")
    parser.add_argument("--language", metavar="CODE", help="language of the page, e.g. de")
    parser.add_argument("--json", action="store_true", help="write the address as JSON")


def run(options: argparse.Namespace) -> None:
    """Build and serve the page until interrupted."""
    from compress_lib.ui.common.languages import use_language
    from compress_lib.utils.profiles import use_profile

    if options.profile is not None:
        use_profile(options.profile)
    if options.language is not None:
        use_language(options.language)
    # The page loads its texts on import, so the language must be set before.
    from compress_lib.ui.serve import launch

    launch(host=options.host, port=options.port, as_json=options.json)
