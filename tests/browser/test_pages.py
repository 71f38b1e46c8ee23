"""What every page has in common: it opens trained, is readable by everyone, fits a phone, and takes the settings of the last one along."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser import lab
from tests.browser.test_access import findings
from wdviz.ui.contents import PAGES

# Of everything little, so that all is soon there.
SMALL = "?seeds=1&folds=2&candidates=3&side=3&map_seeds=1&factors=decay&factors=dropout&strengths=3&strength_seeds=1"
OTHERS = [name for name in PAGES if name != "overfitting"]


@pytest.mark.parametrize("path", OTHERS)
@pytest.mark.parametrize(("width", "schemes"), [(1440, ["light", "dark"]), (390, ["dark"])])
def test_a_page_is_readable_and_fits(visit, path: str, width: int, schemes: list[str]):
    page = visit(width, 900, color_scheme=schemes[0])
    lab.open_page(page, path + SMALL)
    lab.wait_for_quiet(page)
    assert lab.trouble(page) == 0
    page.get_by_text("Why", exact=True).click()
    page.get_by_text("Small print", exact=True).click()
    expect(page.locator(".katex").first).to_be_visible()
    for scheme in schemes:
        page.emulate_media(color_scheme=scheme)
        page.wait_for_selector(f".wd-stage[data-theme={scheme}]")
        page.wait_for_function("() => probes.worstContrast()[0] >= 4.5")  # figures are drawn anew one by one
        assert page.evaluate("probes.tooWide()") == 0, scheme
        assert findings(page) == [], scheme


@pytest.mark.parametrize("path", OTHERS)
def test_a_page_in_front_of_a_class(visit, path: str):
    page = visit(1280, 692)  # of a projector's 720: without SMALL the answers are a line longer
    lab.open_page(page, f"{path}{SMALL}&present=1")
    lab.wait_for_quiet(page)
    assert page.evaluate("probes.tooWide()") == 0
    assert findings(page) == []
    expect(page.locator(".wd-caption")).to_be_visible()
    expect(page.locator(".wd-player")).to_be_hidden()
    if path != "architectures":  # which has a note above them
        figures, dock = page.locator(".wd-figure"), page.locator(".wd-dock").bounding_box()
        for k in range(2):
            box = figures.nth(k).bounding_box()
            assert box
            assert dock
            assert box["y"] + box["height"] <= dock["y"]


def test_settings_go_along_from_page_to_page(page: Page):
    lab.open_page(page, SMALL + "&decay=5&n_train=60&present=0")
    links = [page.get_by_test_id("stSidebarNav").get_by_role("link", name=entry.title) for entry in PAGES.values()]
    for link in [*links[1:], links[0]]:
        link.click()
        page.wait_for_function("(path) => location.pathname.endsWith(path)", arg=(link.get_attribute("href") or "").rsplit("/", 1)[-1])
        lab.wait_for_address(page, decay="5", n_train="60", seeds="1", folds="2")
        page.wait_for_selector(lab.PAINTED)
        expect(page.locator(".st-key-n_train")).to_contain_text("60")
        assert "decay 5" in (page.locator(lab.DECAY).get_attribute("aria-valuetext") or "")
    assert lab.trouble(page) == 0
