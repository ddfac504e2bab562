"""The map of layers, the chart that can be clicked, and the comparison, in a real browser."""

from __future__ import annotations

from typing import Any

import pytest

from compress_lib.ui.common import texts

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


def opened(page: Any) -> Any:
    """Open the map over a plan for everything."""
    page.locator("#presets").get_by_text("Everything", exact=True).click()
    page.get_by_role("button", name=texts.MAP).click()
    page.wait_for_selector("#plan .preview:has-text('211 matrices')")
    found = page.locator("#layer-map")
    found.locator("[data-cell='0|query']").wait_for()
    return found


def test_chosen_cells_get_a_method_of_their_own_and_undo_takes_it_back(page: Any) -> None:
    chart = opened(page)
    chart.locator("th [data-row='3']").click()
    chart.locator("[data-cell='5|query']").click()
    chart.locator("[data-cell='8|value']").click(modifiers=["Shift"])
    page.wait_for_selector("#map-chosen:has-text('19 matrices')")
    page.fill("#map-keep input[type=number]", "0.25")
    page.keyboard.press("Tab")
    page.click("#map-apply")
    chart.locator("[data-cell='6|key']:has-text('25')").wait_for()
    assert chart.locator("[data-cell='6|ffn_in']").inner_text() == "50"
    page.click("#map-dense")
    chart.locator("[data-cell='6|key']:has-text('·')").wait_for()
    page.click("#undo")
    chart.locator("[data-cell='6|key']:has-text('25')").wait_for()
    page.click("#redo")
    chart.locator("[data-cell='6|key']:has-text('·')").wait_for()
    page.click("#map-clear")
    chart.locator("[data-cell='6|key']:has-text('50')").wait_for()


def test_start_over_leaves_nothing_chosen(page: Any) -> None:
    chart = opened(page)
    chart.locator("[data-cell='5|query']").click()
    page.wait_for_selector("#map-chosen:has-text('layers.5.self_attn.q_proj')")
    page.click("#start-over")
    page.wait_for_selector("#map-chosen:not(:has-text('q_proj'))")
    assert chart.locator("[aria-pressed='true']").count() == 0


def test_the_map_works_by_keys_alone(page: Any) -> None:
    chart = opened(page)
    chart.locator("[data-all]").focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowRight", "Space"):
        page.keyboard.press(key)
    page.wait_for_selector("#map-chosen:has-text('model.layers.0.self_attn.q_proj')")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    page.wait_for_selector("#map-chosen:has-text('2 matrices')")


def test_a_preset_fills_the_form(page: Any) -> None:
    opened(page)
    page.click("#map-preset input")
    page.get_by_role("option", name=texts.MAP_PRESETS["protect_ends"]).click()
    page.wait_for_selector("#plan .preview:has-text('197 matrices')")


def test_a_mark_of_the_chart_gives_its_run_and_plan(front_page: Any) -> None:
    page = front_page
    page.evaluate("document.querySelector('#frontier').scrollIntoView({ block: 'center' })")
    page.wait_for_timeout(300)
    # The smallest model stands alone, so that the pointer can mean no other mark.
    place = page.evaluate(
        """() => {
            const marks = [...document.querySelectorAll('#frontier .scatterlayer .point')];
            const boxes = marks.map((mark) => mark.getBoundingClientRect());
            const box = boxes.reduce((left, one) => one.x < left.x ? one : left);
            return [box.x + box.width / 2, box.y + box.height / 2];
        }"""
    )
    before = page.inner_text("#headline p")
    page.wait_for_timeout(700)
    page.mouse.move(*place)
    page.wait_for_timeout(300)
    page.mouse.click(*place)
    page.wait_for_function(
        "before => document.querySelector('#headline p').innerText !== before", arg=before
    )
    assert texts.LANDMARK in page.inner_text("#headline")


def test_a_chosen_run_stands_beside_the_shown_one_and_in_the_link(
    front_page: Any, browser: Any, address: str
) -> None:
    page = front_page
    page.click("#compare")
    page.wait_for_selector("#comparison table")
    assert page.locator("#comparison thead th").count() == 2
    page.click("#tray input")
    page.get_by_role("option", name="Tiered quantization 0.25 · embedding").click()
    page.keyboard.press("Escape")
    page.wait_for_selector(f"#comparison :text('{texts.COMPARE_BYTES}')")
    heads = page.locator("#comparison thead th").all_inner_texts()
    assert len(heads) == 3 and "Tiered" in heads[1]
    page.click("#copy-link")
    page.wait_for_function("() => location.search.includes('with=')")
    # Elsewhere the same link shows the same comparison.
    other = browser.new_page()
    other.goto(page.url)
    other.wait_for_selector("#frontier .js-plotly-plot .point")
    other.wait_for_function("() => !/Ready/.test(document.querySelector('#status').innerText)")
    other.click("#compare")
    other.wait_for_selector(f"#comparison :text('{texts.COMPARE_BYTES}')")
    assert other.locator("#comparison thead th").all_inner_texts() == heads
    other.close()
