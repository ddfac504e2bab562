"""The form of the plan in a real browser: what is typed, chosen, told, and left."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


def test_moving_keep_tells_rank_bytes_and_break_even_before_any_run(page: Any) -> None:
    page.fill("#keep input[type=number]", "0.25")
    page.keyboard.press("Tab")
    page.wait_for_selector("#plan .preview:has-text('rank 142')")
    found = page.inner_text("#plan .preview")
    assert "56.6 MB → 14.1 MB" in found
    assert "Rank must stay below 569 to save memory" in found


def test_a_keep_typed_in_per_cent_is_one(page: Any) -> None:
    page.fill("#keep input[type=number]", "25")
    page.keyboard.press("Tab")
    page.wait_for_selector("#plan .preview:has-text('rank 142')")
    assert page.input_value("#keep input[type=number]") == "0.25"


def test_a_page_that_nobody_touches_asks_for_nothing(page: Any) -> None:
    """Answers that come late must not set off questions without end."""
    page.fill("#keep input[type=number]", "25")
    page.keyboard.press("Tab")
    page.wait_for_selector("#plan .preview:has-text('rank 142')")
    page.wait_for_timeout(2000)
    asked: list[str] = []
    page.on("request", lambda sent: asked.append(sent.url))
    page.wait_for_timeout(3000)
    assert asked == []


def test_tab_leaves_no_list_behind_and_what_was_typed_stays(page: Any) -> None:
    for field in ("#model", "#method"):
        page.focus(f"{field} input")
        page.locator("[role=listbox]:visible").wait_for()
        page.keyboard.press("Tab")
        page.wait_for_function(
            """() => ![...document.querySelectorAll('[role=listbox]')]
                .some((list) => list.offsetParent)"""
        )
    page.fill("#model input", "owner/name")
    page.keyboard.press("Tab")
    page.wait_for_timeout(300)
    assert page.input_value("#model input") == "owner/name"


def test_one_click_chooses_all_layers(page: Any) -> None:
    page.locator("#presets").get_by_text("All layers", exact=True).click()
    page.wait_for_selector("#plan .preview:has-text('210 matrices')")


def test_who_leaves_during_a_run_is_asked(page: Any) -> None:
    leave = """(runs) => {
        document.querySelector('#stop').disabled = !runs;
        const leaving = new Event('beforeunload', { cancelable: true });
        dispatchEvent(leaving);
        return leaving.defaultPrevented;
    }"""
    assert page.evaluate(leave, True)
    assert not page.evaluate(leave, False)


def test_an_empty_keep_is_what_it_was(page: Any) -> None:
    page.fill("#keep input[type=number]", "0.4")
    page.keyboard.press("Tab")
    for wrong in ("", "0", "-1"):
        page.fill("#keep input[type=number]", wrong)
        page.keyboard.press("Tab")
        page.wait_for_function(
            "() => document.querySelector('#keep input[type=number]').value === '0.4'"
        )
    page.wait_for_selector("#plan .preview:has-text('→ 22.')")


def test_what_is_said_of_another_plan_looks_like_it(page: Any) -> None:
    page.fill("#keep input[type=number]", "0.3")
    page.wait_for_selector("#status .stale")
