"""Command-line entry point: `compress-lab models | inspect | run | study | app | …`.

Results go to stdout, progress to stderr. An invalid request prints one sentence and exits with
code 2; Ctrl-C leaves no partial files and exits with code 130.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from compress_lib.cli.parser import make_parser
from compress_lib.cli.runtime import configure_runtime
from compress_lib.errors import CompressionError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    configure_runtime()
    options = make_parser().parse_args(arguments)
    try:
        options.run(options)
    except CompressionError as error:
        sys.stderr.write(f"compress-lab: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("\ncompress-lab: interrupted; no partial files were left.\n")
        return 130
    except BrokenPipeError:
        # The reader of the pipe, such as `head`, has closed it.
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123 - open until exit
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
