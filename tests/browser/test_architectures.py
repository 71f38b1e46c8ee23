"""The Architectures page in Chromium: it fills in, opens another network, and its pictures can be clicked."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser import lab

PAGE = "architectures?dataset=digits&n_train=40&noise=0&steps=40&learning_rate=0.01&seeds=1"


def test_it_fills_in_and_opens_another_network(page: Page):
    lab.open_page(page, PAGE)
    lab.wait_for_quiet(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("Does every network need the same decay?")
    expect(page.locator(".wd-answer")).to_contain_text(re.compile(r"So far the best decay is [\d.]+ \(feedforward\)"))
    assert page.locator(".js-plotly-plot").count() == 6
    expect(page.locator("[data-panel=inside] .wd-summary")).to_contain_text(re.compile(r"Spectral radius at the end: [\d.]+ without"))
    page.get_by_role("button", name="Open: attention").click()
    expect(page.locator("[data-panel=inside] .wd-summary")).to_contain_text("Mean entropy of a token's attention")
    expect(page.locator("[data-panel=inside] .heatmaplayer image")).to_have_count(1)
    lab.wait_for_address(page, inside="attention")
    assert lab.trouble(page) == 0


def test_the_training_is_gone_through_without_training(page: Page):
    lab.open_page(page, PAGE)
    lab.wait_for_quiet(page)
    before = page.locator("[data-panel=weights] .wd-summary").inner_text()
    page.locator("#wd-moment").press("Home")
    expect(page.locator("[data-panel=weights] .wd-summary")).not_to_have_text(before)
    lab.wait_for_address(page, moment="0")
    assert lab.trouble(page) == 0
