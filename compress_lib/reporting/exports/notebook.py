"""A run as a Jupyter notebook that makes it again. Knows no torch."""

from __future__ import annotations

import json
from typing import Any

from compress_lib.plan.plan import Plan
from compress_lib.reporting.exports.code import python_code

FORMAT = {"nbformat": 4, "nbformat_minor": 5}

MADE = "Made by Compression Lab; `pip install -e .` in its folder."

TABLE = """from compress_lib.results.describe import targets_frame

targets_frame(record)"""

TEXTS = """for text in record.text:
    print(text.prompt)
    print("original:  ", text.baseline)
    print("compressed:", text.compressed)
for fill in record.fills:
    print(fill.prompt)
    for before, after in zip(fill.baseline, fill.compressed):
        print(f"{before.token} {before.probability:.3f}  {after.token} {after.probability:.3f}")"""


def notebook(plan: Plan, title: str) -> str:
    """Return a notebook as JSON: the plan, its cost, every matrix, and what both models write.

    Args:
        plan: What it runs.
        title: What people read above.
    """
    cells = [
        _cell("markdown", f"# {title}\n\n{MADE}"),
        _cell("code", python_code(plan).rstrip()),
        _cell("markdown", "Every compressed matrix:"),
        _cell("code", TABLE),
        _cell(
            "markdown",
            "What both models write, or put in the place of a mask:",
        ),
        _cell("code", TEXTS),
    ]
    for index, cell in enumerate(cells):
        cell["id"] = f"cell-{index}"
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    whole = {"cells": cells, "metadata": {"kernelspec": kernel}, **FORMAT}
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def _cell(kind: str, source: str) -> dict[str, Any]:
    cell: dict[str, Any] = {"cell_type": kind, "metadata": {}, "source": source}
    return cell | ({"execution_count": None, "outputs": []} if kind == "code" else {})
