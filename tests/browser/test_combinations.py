"""The Combinations page in Chromium: it fills in, averages on demand, leads to other data, and its map takes clicks."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser import lab

QUICK = "combinations?seeds=2&factors=augmentation&factors=decay&factors=dropout&strengths=3&strength_seeds=1&steps=60"
CELLS = "[data-panel=interactions] .annotation-text"


def test_it_fills_in_says_verdicts_and_averages_without_training(page: Page):
    lab.open_page(page, QUICK)
    statuses = [status for _, status in lab.diary(page)["painted"]]
    assert re.match(r"\d+ of \d+ trainings", statuses[0])
    assert statuses[-1] == ""
    expect(page.locator(".wd-answer")).to_contain_text(re.compile(r"Decay alone takes the test loss from [\d.]+ to [\d.]+"))
    assert page.locator(".js-plotly-plot").count() == 5
    expect(page.locator(CELLS).filter(has_text=re.compile("^(complements|substitutes|conflict|cannot tell)$"))).to_have_count(3)
    before, painted = lab.result(page), len(lab.diary(page)["painted"])
    page.get_by_role("button", name="Average over the others").click()
    lab.wait_for_change(page, before)
    lab.wait_for_address(page, others="averaged")
    expect(page.locator(".wd-answer")).to_contain_text("Averaged over the others, decay")
    assert all(status == "" for _, status in lab.diary(page)["painted"][painted:])
    assert lab.trouble(page) == 0


def test_a_click_on_the_map_takes_its_decay_and_strength(page: Page):
    lab.open_page(page, QUICK)
    plot = page.locator("[data-panel=strengths] .js-plotly-plot")
    plot.scroll_into_view_if_needed()
    box = plot.locator(".heatmaplayer image").bounding_box()
    assert box
    before = lab.result(page)
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    lab.wait_for_change(page, before)
    lab.wait_for_address(page, decay="0.1", dropout="0.4")


def test_one_button_leads_to_digits_and_back(page: Page):
    lab.open_page(page, QUICK)
    before = lab.result(page)
    page.get_by_role("button", name="On handwritten digits").click()
    there = lab.wait_for_change(page, before)
    lab.wait_for_address(page, dataset="digits", n_train="200", steps="500")
    page.get_by_role("button", name="On two moons").click()
    lab.wait_for_change(page, there)
    lab.wait_for_address(page, dataset="", n_train="", steps="")
