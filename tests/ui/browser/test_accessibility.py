"""What axe finds on the page, tab by tab: nothing critical or serious that is ours."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from compress_lib.ui.common import texts
from compress_lib.ui.results.tabs import result_tabs

pytestmark = pytest.mark.browser

GRADIOS_OWN = [[".search-input"], [".cm-editor"]]
"""A table's search field has only a title, and colours of code are those of its editor."""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_serious_stands_in_anybodys_way(browser: Any, address: str, theme: str) -> None:
    page = browser.new_page(viewport={"width": 1400, "height": 900}, color_scheme=theme)
    page.goto(f"{address}?__theme={theme}")
    page.wait_for_selector("#frontier .main-svg")
    for accordion in page.locator("button.label-wrap:visible").all():
        if "open" not in (accordion.get_attribute("class") or ""):
            accordion.click()
    names = [*(tab.label for tab in result_tabs()), texts.STUDIES_TAB, texts.LEARN_TAB]
    found = []
    for name in names:
        page.get_by_role("tab", name=name, exact=True).click()
        page.wait_for_timeout(500)
        seen = Axe().run(page, {"exclude": GRADIOS_OWN}).response["violations"]
        found += [
            (name, violation["id"], [node["target"] for node in violation["nodes"][:3]])
            for violation in seen
            if violation["impact"] in ("critical", "serious")
        ]
    page.close()
    assert found == []
