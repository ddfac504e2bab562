"""Jupyter notebook export of a plan."""

from __future__ import annotations

import json
from typing import Any

from compress_lib.plan.plan import Plan
from compress_lib.reporting.exports.code import python_code

FORMAT = {"nbformat": 4, "nbformat_minor": 5}

INSTALL = "Exported from Compression Lab; install it with `pip install -e .` in its repository."

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
    """Return a notebook as JSON: the plan, its cost, the matrices and the generated texts.

    Args:
        plan: The plan that the notebook runs.
        title: The heading.
    """
    cells = [
        _cell("markdown", f"# {title}\n\n{INSTALL}"),
        _cell("code", python_code(plan).rstrip()),
        _cell("markdown", "Compressed matrices:"),
        _cell("code", TABLE),
        _cell("markdown", "Generated text, or predicted tokens of masks, of both models:"),
        _cell("code", TEXTS),
    ]
    for index, cell in enumerate(cells):
        cell["id"] = f"cell-{index}"
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    document = {"cells": cells, "metadata": {"kernelspec": kernel}, **FORMAT}
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _cell(kind: str, source: str) -> dict[str, Any]:
    cell: dict[str, Any] = {"cell_type": kind, "metadata": {}, "source": source}
    return cell | ({"execution_count": None, "outputs": []} if kind == "code" else {})
