"""Static site of all landmark runs and studies.

The index links to one page per landmark and per study. The site opens from a folder and works
offline.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from compress_lib.reporting.exports.report import STYLE, report
from compress_lib.reporting.plots import frontier
from compress_lib.reporting.plots.base import drawing_library
from compress_lib.reporting.plots.studies import study_page
from compress_lib.results.describe import describe
from compress_lib.results.landmarks import landmarks_by_name
from compress_lib.results.metrics import METRICS
from compress_lib.results.records import RunRecord
from compress_lib.runs.studies import StudyRecord, load_studies
from compress_lib.utils.files import atomic_write
from compress_lib.utils.formatting import format_bytes, format_perplexity

PLOTLY = "plotly.min.js"
TITLE = "The cost of compressing a language model"
INTRO = (
    "Precomputed runs of Compression Lab on one model. This site computes nothing: install the lab "
    "to run these plans, or your own, on your machine."
)


def write_site(folder: Path) -> list[Path]:
    """Write the site into a folder and return its files."""
    runs = landmarks_by_name()
    studies = load_studies()
    pages = {"index.html": _index(runs, studies), PLOTLY: drawing_library()}
    for name, record in runs.items():
        others = [other for other in runs.values() if other.key != record.key]
        pages[f"runs/{name}.html"] = report(record, others, f"../{PLOTLY}")
    for name, study in studies.items():
        pages[f"studies/{name}.html"] = study_page(study, f"../{PLOTLY}")
    written = []
    for name, content in pages.items():
        atomic_write(folder / name, content)
        written.append(folder / name)
    return written


def _index(runs: Mapping[str, RunRecord], studies: Mapping[str, StudyRecord]) -> str:
    records = tuple(runs.values())
    charts = []
    for measure in frontier.MEASURES:
        figure = frontier.frontier(records, (), None, measure)
        if figure.data:
            chart = figure.to_html(full_html=False, include_plotlyjs=False)
            metric = METRICS[measure]
            better = "Lower" if metric.lower_is_better else "Higher"
            charts.append(
                f"<h2>{escape(metric.label)} vs. size</h2>"
                f"<p>{escape(metric.meaning)} {better} is better; further left is smaller.</p>"
                f"{chart}"
            )
    items = "".join(
        f'<li><a href="studies/{escape(name, quote=True)}.html">{escape(study.label)}</a>: '
        f"{escape(study.question)}</li>"
        for name, study in studies.items()
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{TITLE}</title>'
        '<meta name="viewport" content="width=device-width">'
        f'<style>{STYLE}</style><script src="{PLOTLY}"></script></head><body>'
        f"<h1>{TITLE}</h1><p>{escape(INTRO)}</p>{_legend(records)}"
        f"{''.join(charts)}"
        f"<h2>All runs</h2>{_table(runs)}<h2>Studies</h2><ul>{items}</ul></body></html>\n"
    )


def _legend(records: Sequence[RunRecord]) -> str:
    """Return the legend of the charts, without the ring, which only pages of single runs have."""
    items = "".join(
        f'<li><span style="color:{colour}">{sign}</span> {escape(name)}</li>'
        for sign, colour, name in frontier.frontier_legend(records)[:-1]
    )
    return f'<ul class="legend">{items}</ul>'


def _table(runs: Mapping[str, RunRecord]) -> str:
    ordered = sorted(runs.items(), key=lambda item: item[1].perplexity.compressed)
    rows = "".join(
        f'<tr><td><a href="runs/{escape(name, quote=True)}.html">{escape(describe(record))}</a>'
        f'</td><td class="number">{format_perplexity(record.perplexity.compressed)}</td>'
        f'<td class="number">{record.perplexity.ratio:.3g}</td>'
        f'<td class="number">{format_bytes(record.memory.compressed_bytes)}</td>'
        f'<td class="number">{record.agreement.kl:.3f}</td></tr>'
        for name, record in ordered
    )
    heads = "".join(
        f"<th>{escape(name)}</th>"
        for name in ("Run", "Perplexity", "Perplexity ratio", "Size", "KL")
    )
    return f"<table><tr>{heads}</tr>{rows}</table>"
