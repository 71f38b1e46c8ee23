"""The Learning rate page in Chromium: its maps fill in, a click on a cell is taken up, and Stop keeps what is done."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser import lab

QUICK = "learning-rate?side=4&map_seeds=1&steps=100"
LONG = "learning-rate?map_seeds=8&steps=3000"


def test_the_maps_fill_in(page: Page):
    lab.open_page(page, "learning-rate?side=8&map_seeds=1&steps=100&seed=77")
    statuses = [status for _, status in lab.diary(page)["painted"]]
    assert re.match(r"\d+ of \d+ trainings", statuses[0])
    assert statuses[-1] == ""
    expect(page.locator("[data-panel=map-decoupled] .wd-summary")).to_contain_text("Of 64 cells trained (64 in all)")
    assert page.locator(".js-plotly-plot").count() == 7
    assert page.locator("[data-panel=map-coupled] .heatmaplayer image").count() >= 1


def test_a_click_on_a_cell_moves_the_sliders_and_the_curves(page: Page):
    lab.open_page(page, QUICK)
    before = lab.result(page)
    area = page.locator("[data-panel=map-coupled] .nsewdrag").first
    area.scroll_into_view_if_needed()
    box = area.bounding_box()
    assert box
    # The second column and, from the top, the first row of four.
    page.mouse.click(box["x"] + box["width"] * 3 / 8, box["y"] + box["height"] / 8)
    lab.wait_for_change(page, before)
    lab.wait_for_address(page, decay="50", learning_rate="0.007", decay_kind="coupled")
    expect(page.locator(lab.DECAY)).to_have_attribute("aria-valuetext", re.compile("^decay 50,"))
    expect(page.locator("[data-panel=curves]")).to_contain_text("learning rate 0.007, decay 50, coupled")
    assert lab.trouble(page) == 0


def test_stop_keeps_what_is_done(page: Page):
    lab.open_page(page, LONG, until=lab.BEGUN)
    words = page.locator(".wd-progress span")
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(words).to_contain_text("stopped")
    assert int((words.text_content() or "").split()[0]) >= 16
    expect(page.locator("[data-panel=map-decoupled] .wd-summary")).to_contain_text("144 in all")
    assert lab.trouble(page) == 0
