"""Languages that the page can be read in beside English: a file each, named by its code.

A file holds translations of names in `texts`, which are the page's own sentences. What the page
shares with the command line stays English: names of methods, options and families, the log, and
refusals; charts and metrics say what `WORDS` has for their English words. The tour is in
`assets/lessons/tour.CODE.yml`. A page speaks one language, chosen before it is built.
"""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import Any

from compress_lib.errors import unknown_name

ENGLISH = "en"
VARIABLE = "COMPRESS_LAB_LANGUAGE"
"""The environment variable that names the language, for a Space as for a laptop."""


def languages() -> list[str]:
    """Return the codes of all languages, English first."""
    files = Path(__file__).parent.glob("[!_]*.py")
    return [ENGLISH, *sorted(file.stem for file in files)]


def use_language(code: str) -> None:
    """Let this process speak a language; before the page is imported.

    Raises:
        CompressionError: There is none of this code.
    """
    if code not in languages():
        raise unknown_name("language", code, languages())
    os.environ[VARIABLE] = code


def selected_translations() -> dict[str, Any]:
    """Return the translations of the language that was chosen; none for English.

    Raises:
        CompressionError: The environment names a language that there is not.
    """
    code = os.environ.get(VARIABLE) or ENGLISH
    if code not in languages():
        raise unknown_name(f"language (in {VARIABLE})", code, languages())
    return {} if code == ENGLISH else translation(code)


def translation(code: str) -> dict[str, Any]:
    """Return the translations of a language by the names in `texts`."""
    module = import_module(f"{__name__}.{code}")
    return {name: value for name, value in vars(module).items() if name.isupper()}
