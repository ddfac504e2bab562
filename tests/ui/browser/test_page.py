"""The page in a real browser, with the real default model."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from compress_lib.ui.common import texts
from tests.support.browser_fixtures import QUICK, RUN_SECONDS, choose, contrast, run_to_the_end

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]


def test_the_first_view_shows_measured_runs(front_page: Any) -> None:
    assert front_page.locator("#frontier .point").count() > 15
    assert "runs of smollm2-135m on prose" in front_page.inner_text("#provenance")
    assert texts.LANDMARK in front_page.inner_text("#headline")


def test_one_click_saves_what_is_taken_away(page: Any) -> None:
    page.get_by_role("tab", name=texts.TAB_EXPORT, exact=True).click()
    for button, name in (
        ("Runs as CSV", r"runs\.csv"),
        ("This run as JSON", r"run-\w+\.json"),
        ("Report (HTML)", r"run-\w+\.html"),
        ("Notebook", r"run-\w+\.ipynb"),
    ):
        with page.expect_download(timeout=10_000) as saving:
            page.get_by_role("button", name=button).click()
        assert re.fullmatch(name, saving.value.suggested_filename)


def test_a_chart_is_saved_under_a_name_of_its_own(page: Any) -> None:
    page.get_by_role("tab", name=texts.TAB_DIRECTION, exact=True).click()
    page.hover("#direction .js-plotly-plot")
    with page.expect_download(timeout=10_000) as saving:
        page.click("#direction .modebar-btn[data-title^='Download plot']")
    named = r"compression-lab-direction-[a-z0-9.-]+\.png"
    assert re.fullmatch(named, saving.value.suggested_filename)


def test_any_word_is_looked_up_though_its_model_must_be_made_again(front_page: Any) -> None:
    page = front_page
    page.get_by_role("tab", name=texts.TAB_DIRECTION, exact=True).click()
    page.fill("#word input", "lighthouse")
    page.keyboard.press("Enter")
    page.wait_for_selector("#looked-up:has-text('top of the table')", timeout=RUN_SECONDS)
    # Gradio measures a table in a hidden copy.
    asked = page.locator("#tokens").get_by_text(texts.ASKED).locator("visible=true")
    asked.first.wait_for()


def test_a_step_of_the_tour_ends_in_the_lab_with_its_run(page: Any) -> None:
    page.get_by_role("tab", name="Learn", exact=True).click()
    page.locator("#tour-steps").get_by_text("2. ").click()
    page.locator("#tour-guess label").last.click()
    page.locator("#tour-reveal").click()
    page.locator("#tour-onward").click()
    page.wait_for_selector("#tour-text:has-text('break-even')")
    page.locator("#tour-guess label").first.click()
    page.locator("#tour-reveal").click()
    page.locator("#tour-load").click()
    page.wait_for_selector("#headline:has-text('SVD 0.9 · attention')")
    page.wait_for_selector("#plan .preview:has-text('120 matrices')")
    assert page.locator("#results").is_visible()
    page.get_by_role("tab", name=texts.TAB_MATRICES, exact=True).click()
    page.wait_for_selector("#ranked")


def test_svd_and_autoencoder_show_numbers_histogram_and_both_texts(page: Any) -> None:
    page.click("#model input")
    # Where it is not here yet, it says how much there is to fetch.
    page.get_by_role("option", name=re.compile("^SmolLM2 135M Instruct")).click()
    seen = {}
    for label in ("SVD", "Autoencoder"):
        choose(page, "#method", label)
        if label != "SVD":
            page.get_by_role("button", name=texts.OPTIONS).click()
            page.get_by_label("Epochs", exact=True).fill("2")
            page.keyboard.press("Tab")
        headline = run_to_the_end(page, f"{label} 0.5 · embedding")
        seen[label] = headline
        found = re.search(r"Perplexity.*?([\d,.]+)", headline, re.DOTALL)
        assert found is not None
        assert float(found[1].replace(",", "")) > 30
        assert "241 MB" in headline
        page.get_by_role("tab", name="Text", exact=True).click()
        columns = page.locator("#texts .writer")
        assert columns.count() == 2
        assert all("The sea" in columns.nth(i).inner_text() for i in range(2))
        assert len(columns.nth(0).inner_text()) > len(f"{texts.BASELINE} The sea") + 5
        page.get_by_role("tab", name=texts.TAB_DIRECTION, exact=True).click()
        page.wait_for_selector("#direction .js-plotly-plot .scatterlayer .trace")
        # A run and its control; the second run is laid over the first.
        page.wait_for_function(
            "n => document.querySelectorAll('#direction .scatterlayer .trace').length === n",
            arg=2 * len(seen),
        )
        page.get_by_role("tab", name="Log", exact=True).click()
        assert "model.embed_tokens" in page.locator("#log textarea").input_value()
        page.get_by_role("tab", name=texts.TAB_FRONTIER, exact=True).click()
    assert seen["SVD"] != seen["Autoencoder"]
    assert "rule=embedding~autoencoder~0.5~epochs%3D2" in page.url.replace("%7E", "~")


def test_presets_fill_the_options_and_groups_show_their_errors_and_curves(page: Any) -> None:
    choose(page, "#method", "Autoencoder")
    page.get_by_role("button", name=texts.OPTIONS).click()
    epochs, batch = (page.get_by_label(name, exact=True) for name in ("Epochs", "Batch size"))
    page.get_by_role("button", name="P2", exact=True).click()
    page.wait_for_function("field => field.value === '16'", arg=batch.element_handle())
    page.get_by_role("button", name="Lab", exact=True).click()
    page.wait_for_function("field => field.value === '512'", arg=batch.element_handle())
    epochs.fill("3")
    page.get_by_role("button", name="more options").click()
    page.get_by_label("Latent epochs", exact=True).fill("1")
    page.get_by_label("Evaluate every", exact=True).fill("1")
    page.get_by_label("Embedding", exact=True).uncheck()
    page.get_by_label("Key", exact=True).check()
    page.get_by_role("button", name=texts.GROUPING).click()
    page.get_by_label(texts.GROUP_CHOICES["concatenated"]).check()
    page.wait_for_selector("#plan .preview:has-text('30 matrices in 1 group, rank')")
    run_to_the_end(page, "Autoencoder 0.5 · key (concatenated)")
    page.get_by_role("tab", name=texts.TAB_MATRICES, exact=True).click()
    page.wait_for_selector("#decoding:has-text('multiply-adds per forward pass')")
    page.wait_for_selector("#errors .js-plotly-plot .heatmaplayer image")
    page.wait_for_selector("#curves .js-plotly-plot .point")
    assert page.locator("#curves .scatterlayer .trace").count() == 6
    choose(page, "#measure", "RMSE")
    page.wait_for_selector("#errors .js-plotly-plot :text('RMSE')")
    with page.expect_download(timeout=10_000) as saving:
        page.get_by_role("button", name="Matrices as CSV").click()
    table = Path(saving.value.path()).read_text(encoding="utf-8").splitlines()
    assert len(table) == 31
    assert {"rmse", "mae", "powered_mae", "group", "orientation"} <= set(table[0].split(","))


def test_the_second_tab_shows_the_papers_and_sweeps_over_all_modules(page: Any) -> None:
    page.get_by_role("tab", name=texts.STUDIES_TAB).click()
    said = page.locator("#study-said")
    said.get_by_text("has a lower direction error than SVD").wait_for()
    page.locator("#study-plot .main-svg").first.wait_for()
    page.locator("#study input").click()
    page.get_by_role("option", name="Direction vs. norm").click()
    said.get_by_text("raises the perplexity more").first.wait_for()
    page.locator("#sweep").click()
    # The first rows appear while the others are still measured.
    said.get_by_text("Most sensitive").wait_for(timeout=RUN_SECONDS)
    page.locator("#study-plot .main-svg").first.wait_for()
    page.locator("#sweep-stop").click()
    page.get_by_text("Stopped.").wait_for()
    page.locator("#sweep:not([disabled])").wait_for()


def test_a_link_restores_the_plan_in_another_window(browser: Any, address: str) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{address}?rule=query,key~row_normalized_svd~0.33&rule=query@0~svd~0.4&seed=5")
    page.wait_for_selector("#plan .preview:has-text('60 matrices')")
    assert page.locator("#method input").input_value() == "Row-normalised SVD"
    assert page.locator("#keep input[type=number]").input_value() == "0.33"
    context.close()


def test_a_link_that_cannot_be_read_says_why(page: Any, address: str) -> None:
    page.goto(f"{address}?rule=embedding~svdd~0.5")
    page.wait_for_selector(".toast-body:has-text(\"Did you mean 'svd'\")")


def test_stop_stops(page: Any) -> None:
    choose(page, "#method", "Autoencoder")
    page.click("#run")
    page.wait_for_function(
        "() => /Training|Epoch/.test(document.querySelector('#status').innerText)",
        timeout=RUN_SECONDS,
    )
    page.click("#stop")
    page.wait_for_selector("#status:has-text('Stopped')", timeout=RUN_SECONDS)
    # Nothing is written over it.
    page.wait_for_timeout(1500)
    assert "Stopped" in page.inner_text("#status")
    # The engine is free again: another plan runs to its end.
    choose(page, "#method", "SVD")
    page.fill("#keep input[type=number]", "0.45")
    page.keyboard.press("Tab")
    run_to_the_end(page, "SVD 0.45 · embedding")


def test_what_is_measured_stays_when_the_writing_is_stopped(page: Any, address: str) -> None:
    page.goto(f"{address}?{QUICK.replace('new_tokens=8', 'new_tokens=200')}&seed=7")
    page.wait_for_selector(f"#status:has-text('{texts.PLAN_CHANGED}')")
    page.click("#run")
    page.wait_for_selector(f"#headline:has-text('{texts.YOURS_SO_FAR}')", timeout=RUN_SECONDS)
    # In the middle of the job its charts are there to stay.
    page.get_by_role("tab", name=texts.TAB_DIRECTION, exact=True).click()
    page.wait_for_selector("#direction .js-plotly-plot .scatterlayer .trace")
    page.wait_for_selector("#status:has-text('Generating text')", timeout=RUN_SECONDS)
    page.click("#stop")
    page.wait_for_selector("#status:has-text('Stopped')")
    page.get_by_role("tab", name="Text", exact=True).click()
    page.wait_for_selector("#texts:has-text('No text yet')")
    assert texts.YOURS_SO_FAR in page.inner_text("#headline")
    page.wait_for_function("() => location.search.includes('seed=7')")


def test_a_wrong_value_is_one_sentence_and_changes_nothing(page: Any) -> None:
    before = page.inner_text("#headline")
    page.fill("#model input", "/etc/passwd")
    page.keyboard.press("Enter")
    page.click("#run")
    page.wait_for_selector(".toast-body:has-text('neither in the list nor a Hub ID')")
    assert "neither in the list" in page.inner_text("#status")
    assert page.inner_text("#headline") == before


@pytest.mark.parametrize("page", [390], indirect=True)
def test_nothing_is_cut_off_on_a_phone(page: Any) -> None:
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    box = page.locator("#frontier").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_can_be_read_in_light_and_dark(browser: Any, address: str, theme: str) -> None:
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    page = context.new_page()
    page.goto(f"{address}?__theme={theme}")
    page.wait_for_selector("#headline .card .value")
    for element in (".card .term", ".card .value", ".status", ".preview", "header p"):
        ink, paper = page.evaluate(
            """(selector) => {
                const found = document.querySelector(selector);
                let behind = found;
                while (/rgba\\(0, 0, 0, 0\\)/.test(getComputedStyle(behind).backgroundColor))
                    behind = behind.parentElement;
                return [getComputedStyle(found).color, getComputedStyle(behind).backgroundColor];
            }""",
            element,
        )
        assert contrast(ink, paper) >= 4.5, (element, ink, paper)
    context.close()
