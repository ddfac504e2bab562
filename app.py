"""Start the web page: `python app.py [--host H] [--port N]`."""

from __future__ import annotations

import sys

from compress_lib.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["app", *sys.argv[1:]]))
