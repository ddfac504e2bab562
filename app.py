"""Opens the page: `python app.py [--host H] [--port N]`."""

from __future__ import annotations

import os
import sys

# Waiting threads must sleep, not spin; it only counts before torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from compress_lib.cli import main

if __name__ == "__main__":
    sys.exit(main(["app", *sys.argv[1:]]))
