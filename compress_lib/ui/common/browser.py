"""JavaScript snippets of the page, and settings of its events."""

from __future__ import annotations

import json
from typing import Any

from compress_lib.ui.common import texts

PRIVATE: dict[str, Any] = {"api_visibility": "private"}
QUICK: dict[str, Any] = {**PRIVATE, "queue": False, "show_progress": "hidden"}
"""Event settings: private events are no API endpoints; quick ones also bypass Gradio's queue."""

WARNING: dict[str, Any] = {**PRIVATE, "concurrency_limit": None, "show_progress": "hidden"}
"""Settings of events that may show a warning, which Gradio 6.31 drops for unqueued events."""

JOB: dict[str, Any] = {
    **PRIVATE,
    "trigger_mode": "once",
    "concurrency_id": "run",
    "concurrency_limit": None,
    "show_progress": "hidden",
}
"""Settings of events that follow a job in the engine's queue."""

AFTER_RUN = """(query) => {
    if (!query) return;
    history.replaceState(null, '', '?' + query);
    const results = document.querySelector('#headline');
    // In the one-column layout, unless the results are in view already.
    if (results.getBoundingClientRect().top > innerHeight) results.scrollIntoView();
}"""
COPY_LINK = f"""async (query) => {{
    const link = location.origin + location.pathname + '?' + query;
    history.replaceState(null, '', '?' + query);
    try {{ await navigator.clipboard.writeText(link); }} catch (error) {{ prompt('', link); }}
    const button = document.querySelector('#copy-link');
    const before = button.textContent;
    button.textContent = {json.dumps(texts.COPIED)};
    setTimeout(() => {{ button.textContent = before; }}, 1500);
}}"""

SHOW_RESULTS = (
    "() => document.querySelector('#headline').scrollIntoView("
    "{ behavior: 'smooth', block: 'nearest' })"
)
"""Scroll the results into view in the one-column layout."""

SAVE_FILE = """(file) => {
    if (!file) return;
    const { name, type, content } = JSON.parse(file);
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([content], { type }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}"""

LIVE = """
element.setAttribute('role', 'status');
element.setAttribute('aria-live', 'polite');
"""
"""Make an element an ARIA live region, so that screen readers announce its changes.

The attributes are set on the outer element, which survives updates.
"""

FORM = """
const KEEPS = '#keep input[type=number], #map-keep input[type=number]';
const running = () => {
    const stop = document.querySelector('#stop');
    return stop && !stop.disabled;
};
addEventListener('beforeunload', (event) => {
    // Leaving the page stops the run.
    if (running()) event.preventDefault();
});
document.addEventListener('input', (event) => {
    // The status is about the plan before this edit.
    const said = document.querySelector('#status .status');
    const form = event.target.closest && event.target.closest('#plan');
    if (form && event.isTrusted && said && !running()) said.classList.add('stale');
});
document.addEventListener('focusin', (event) => {
    if (event.target.matches && event.target.matches(KEEPS)) {
        event.target.dataset.before = event.target.value;
    }
    // Select the current value, so that typing replaces it.
    const box = event.target;
    if (box.matches && box.matches('#plan input[role="combobox"]')) setTimeout(() => box.select());
});
document.addEventListener('focusout', (event) => {
    // Gradio 6.31 leaves the list of a menu open when the focus leaves it by Tab.
    const box = event.target;
    if (!box.matches || !box.matches('#plan input[role="combobox"]')) return;
    const escape = new KeyboardEvent('keydown', { key: 'Escape', bubbles: true });
    setTimeout(() => { if (document.activeElement !== box) box.dispatchEvent(escape); }, 60);
});
addEventListener('popstate', () => {
    // Return from a definition in the glossary to the metric.
    const lab = document.querySelector('#pages button[role="tab"]');
    if (lab) lab.click();
});
document.addEventListener('blur', (event) => {
    const box = event.target;
    if (!box.matches || !box.matches(KEEPS)) return;
    const given = Number(box.value);
    if (box.value === '' || given <= 0) {
        box.value = box.dataset.before || 0.5;
        box.dispatchEvent(new Event('input', { bubbles: true }));
        return;
    }
    if (!(given > 1)) return;
    // 2 to 100 are percentages; other values above 1 are clipped to 1.
    box.value = given < 2 || given > 100 ? 1 : given / 100;
    box.dispatchEvent(new Event('input', { bubbles: true }));
}, true);
"""
"""Form behaviour in the browser.

- Ask before leaving the page during a run.
- Mark the status as stale after an edit.
- Replace the value of a menu when typing into it, and close its list on Tab.
- Return from the glossary by the browser's Back button.
- Read 25 next to a size slider as 25%, before the slider clips it to 1.
"""

PICTURES = """
document.addEventListener('click', (event) => {
    const button = event.target.closest && event.target.closest('.modebar-btn');
    const plot = button && button.closest('.js-plotly-plot');
    if (!plot || !plot._context) return;
    // Name the file after the chart and the run.
    const place = plot.closest('#results [id], #pages [id]');
    const run = plot.closest('#results') && document.querySelector('#headline p strong');
    const words = ['compression lab', place && place.id, run && run.textContent];
    const filename = words.filter(Boolean).join(' ').toLowerCase()
        .replace(/[^\\p{L}\\p{N}.]+/gu, '-').replace(/^-+|-+$/g, '').slice(0, 100);
    plot._context.toImageButtonOptions = { filename, scale: 2 };
}, true);
"""
"""Set the file names of saved charts, for which `gr.Plot` has no parameter."""

CLEAR_MAP = "() => document.dispatchEvent(new Event('unchoose'))"
"""Clear the selection on the layer map."""

MAP = """
const chosen = new Set();
let last = null;
const cells = () => [...element.querySelectorAll('.cell')];
const paint = () => cells().forEach((cell) => {
    const on = chosen.has(cell.dataset.cell);
    cell.setAttribute('aria-pressed', on);
});
const tell = () => { paint(); trigger('select', { cells: [...chosen] }); };
const between = (from, to) => {
    const all = cells(), a = all.findIndex((c) => c.dataset.cell === from), b = all.indexOf(to);
    if (a < 0) return [to];
    const place = (cell) => [cell.closest('tr').rowIndex, cell.closest('td').cellIndex];
    const [r, c] = place(all[a]), [s, d] = place(to);
    return all.filter((cell) => {
        const [row, column] = place(cell);
        return row >= Math.min(r, s) && row <= Math.max(r, s)
            && column >= Math.min(c, d) && column <= Math.max(c, d);
    });
};
element.addEventListener('click', (event) => {
    const button = event.target.closest('button');
    if (!button || !element.contains(button)) return;
    const data = button.dataset;
    let wanted;
    if (data.cell) wanted = event.shiftKey && last ? between(last, button) : [button];
    else wanted = cells().filter((cell) => data.all
        || (data.row ? cell.dataset.row === data.row : cell.dataset.column === data.column));
    const every = wanted.every((cell) => chosen.has(cell.dataset.cell));
    wanted.forEach((cell) => {
        if (every && !event.shiftKey) chosen.delete(cell.dataset.cell);
        else chosen.add(cell.dataset.cell);
    });
    if (data.cell) last = data.cell;
    tell();
});
element.addEventListener('keydown', (event) => {
    const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    if (event.key === 'Escape' && chosen.size) { chosen.clear(); tell(); return; }
    const step = steps[event.key];
    const button = event.target.closest('button');
    if (!step || !button) return;
    event.preventDefault();
    const rows = [...element.querySelectorAll('tr')];
    const at = button.closest('th, td');
    let [line, column, target] = [at.parentElement.rowIndex, at.cellIndex, null];
    while (!target) {
        // Skip empty cells: a layer may lack a module.
        [line, column] = [line + step[0], column + step[1]];
        const row = rows[line];
        if (!row || column < 0 || column >= Math.max(row.cells.length, at.cellIndex + 1)) return;
        const next = row.cells[Math.min(column, row.cells.length - 1)];
        target = next && next.querySelector('button');
    }
    if (!target) return;
    element.querySelectorAll('[tabindex="0"]').forEach((other) => { other.tabIndex = -1; });
    target.tabIndex = 0;
    target.focus();
});
document.addEventListener('unchoose', () => { if (chosen.size) { chosen.clear(); tell(); } });
watch('value', () => {
    const known = new Set(cells().map((cell) => cell.dataset.cell));
    [...chosen].forEach((cell) => { if (!known.has(cell)) chosen.delete(cell); });
    paint();
});
"""
"""Select cells of the layer map with the pointer or the keyboard."""

POINTS = """
const listen = () => {
    const plot = document.querySelector('#frontier .js-plotly-plot');
    if (!plot || !plot._ev || plot._ev.heard) return;
    plot._ev.heard = true;
    plot.on('plotly_click', (event) => {
        const point = event.points.find((one) => Array.isArray(one.customdata));
        if (point) trigger('select', { index: 0, value: point.customdata[1] });
    });
};
// Every run replaces the chart.
setInterval(listen, 500);
"""
"""Report clicks on points of the chart, for which `gr.Plot` has no event."""

DEFINE = f"""
element.addEventListener('click', (event) => {{
    const link = event.target.closest('a[href^="#term-"]');
    if (!link) return;
    event.preventDefault();
    history.pushState({{ defined: true }}, '');
    const tabs = [...document.querySelectorAll('#pages button[role="tab"]')];
    const learn = tabs.find((tab) => tab.textContent.trim() === {json.dumps(texts.LEARN_TAB)});
    if (learn) learn.click();
    setTimeout(() => {{
        const term = document.getElementById(link.hash.slice(1));
        if (!term) return;
        term.scrollIntoView({{ block: 'center' }});
        term.focus({{ preventScroll: true }});
    }}, 200);
}});
"""
"""Open the definition of a metric in the glossary, which is on another tab."""

OPEN_LAB = """() => {
    const lab = document.querySelector('#pages button[role="tab"]');
    if (lab) lab.click();
    scrollTo(0, 0);
}"""

TOUR_TOP = """() => {
    const steps = document.querySelector('#tour-steps');
    steps.scrollIntoView({ block: 'nearest' });
    steps.querySelector('input:checked')?.focus({ preventScroll: true });
}"""
"""Scroll to the list of questions and focus the selected one, after its button was hidden."""

FIT = "() => setTimeout(() => window.dispatchEvent(new Event('resize')), 60)"
"""Redraw charts at the size they have now."""
