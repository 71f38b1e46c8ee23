"""The Tuning page in Chromium: it fills in, Stop keeps what is done, and the test set stays sealed until it is opened."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser import lab

QUICK = "tuning?seeds=1&folds=2&candidates=4&steps=60"
LONG = "tuning?seeds=20&steps=3000"
GUESS = "[data-panel=validation] .annotation-text"


def test_it_fills_in_with_progress_and_a_move_of_the_slider_trains_nothing(page: Page):
    lab.open_page(page, QUICK)
    statuses = [status for _, status in lab.diary(page)["painted"]]
    assert re.match(r"\d+ of \d+ trainings", statuses[0])
    assert statuses[-1] == ""
    expect(page.locator(".wd-answer")).to_contain_text(re.compile(r"2-fold cross-validation picks a decay of [\d.]+ by loss"))
    assert page.locator(".js-plotly-plot").count() == 5
    before = len(lab.diary(page)["painted"])
    lab.press(page, "ArrowRight")
    expect(page.locator(GUESS, has_text="your guess: 3")).to_be_visible()
    assert all(status == "" for _, status in lab.diary(page)["painted"][before:])


def test_stop_keeps_what_is_done_and_it_can_go_on(page: Page):
    lab.open_page(page, LONG, until=lab.BEGUN)
    words = page.locator(".wd-progress span")
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(words).to_contain_text("stopped")
    kept = int((words.text_content() or "").split()[0])
    assert kept >= 13  # the first fold
    expect(page.locator(".wd-answer")).to_contain_text("5-fold cross-validation picks a decay of")
    page.get_by_role("button", name="Continue").click()
    page.wait_for_function(
        """(kept) => {
          const said = document.querySelector(".wd-progress span").textContent;
          return !said.includes("stopped") && parseInt(said) > kept;
        }""",
        arg=kept,
    )
    assert lab.trouble(page) == 0


def test_the_test_set_is_opened_by_its_button_and_named_in_the_address(page: Page):
    lab.open_page(page, QUICK)
    card = page.locator("[data-panel=price]")
    expect(card).to_contain_text("The test set is still sealed.")
    before = lab.result(page)
    page.get_by_role("button", name="Open the test set", exact=True).click()
    lab.wait_for_change(page, before)
    lab.wait_for_address(page, tested="1")
    expect(card.locator(".wd-summary")).to_contain_text("Test loss beyond the best there is")
    page.get_by_role("button", name="Seal it again").click()
    expect(card).to_contain_text("The test set is still sealed.")
    lab.wait_for_address(page, tested="")


def test_a_click_on_the_curve_takes_that_decay_as_the_guess(page: Page):
    lab.open_page(page, QUICK)
    page.locator("[data-panel=validation] .js-plotly-plot").scroll_into_view_if_needed()
    points = page.locator("[data-panel=validation] .scatterlayer .point")
    expect(points.first).to_be_attached()
    box = points.nth(1).bounding_box()
    assert box
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    lab.wait_for_address(page, decay="0.05")
