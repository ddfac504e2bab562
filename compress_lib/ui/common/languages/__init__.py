"""Translations of the page: one module per language, named by its code.

A module translates the constants of `texts`. Text that the page shares with the command line
stays English: labels of methods, options and module types, the log and error messages. Chart and
metric labels are translated by `WORDS`, and the tour by `assets/lessons/tour.CODE.yml`. A process
serves one language, selected before `texts` is imported.
"""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import Any

from compress_lib.errors import unknown_name

ENGLISH = "en"
VARIABLE = "COMPRESS_LAB_LANGUAGE"
"""Environment variable that selects the language."""


def languages() -> list[str]:
    """Return the codes of all languages, English first."""
    files = Path(__file__).parent.glob("[!_]*.py")
    return [ENGLISH, *sorted(file.stem for file in files)]


def use_language(code: str) -> None:
    """Select the language of this process; call it before the page is imported.

    Raises:
        CompressionError: The language is unknown.
    """
    if code not in languages():
        raise unknown_name("language", code, languages())
    os.environ[VARIABLE] = code


def selected_translations() -> dict[str, Any]:
    """Return the translations of the selected language; empty for English.

    Raises:
        CompressionError: The environment variable names an unknown language.
    """
    code = os.environ.get(VARIABLE) or ENGLISH
    if code not in languages():
        raise unknown_name(f"language (in {VARIABLE})", code, languages())
    return {} if code == ENGLISH else translation(code)


def translation(code: str) -> dict[str, Any]:
    """Return the translations of a language by the name of the constant in `texts`."""
    module = import_module(f"{__name__}.{code}")
    return {name: value for name, value in vars(module).items() if name.isupper()}
