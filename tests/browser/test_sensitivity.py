"""The Sensitivity page in Chromium, as a visitor meets it."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser import lab

PAGE = "sensitivity?seeds=1"


def test_opens_on_a_striking_default_with_live_numbers(page: Page):
    lab.open_page(page, PAGE)
    lab.wait_for_quiet(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("Why do smaller weights help?")
    expect(page.locator(".wd-answer")).to_contain_text(re.compile(r"reacts \d+ times less to a small change of the input"))
    expect(page.locator(".wd-answer")).to_contain_text(re.compile(r"it is right in \d+ % instead of \d+ %"))
    assert page.locator(".js-plotly-plot").count() == 7
    # Both maps are painted, with the line where the answer changes.
    for arm in ("without", "with"):
        expect(page.locator(f"[data-panel={arm}] .heatmaplayer image")).to_have_count(1)
        assert page.locator(f"[data-panel={arm}] .contourlayer path").count() > 0
    assert lab.trouble(page) == 0


def test_too_much_decay_reacts_to_nothing(page: Page):
    lab.open_page(page, PAGE)
    lab.wait_for_quiet(page)
    before = lab.result(page)
    page.get_by_role("button", name="Too much: decay 30 reacts to nothing at all").click()
    lab.wait_for_change(page, before)
    expect(page.locator(".wd-answer")).to_contain_text("reacts to nothing any more")
    lab.wait_for_address(page, decay="30")


def test_one_image_and_its_sliders(page: Page):
    lab.open_page(page, PAGE + "&dataset=digits&n_train=60&noise=0&steps=20&width=8", until=lab.BEGUN)
    expect(page.locator("[data-panel=probabilities] .wd-summary")).to_contain_text("The true class")
    before = page.locator("[data-panel=with] .wd-summary").inner_text()
    page.locator("#wd-image").press("ArrowRight")
    expect(page.locator("[data-panel=with] .wd-summary")).not_to_have_text(before)
    lab.wait_for_address(page, image="1")
    assert lab.trouble(page) == 0
