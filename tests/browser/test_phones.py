"""On a phone: one column, fingers instead of a mouse."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser import lab

PHONE = {"has_touch": True, "is_mobile": True, "device_scale_factor": 2}
LOW = """() => [...document.querySelectorAll(".wd-stage :is(button, select, .wd-typed, input[type=range])")]
  .filter((e) => e.getClientRects().length && e.offsetHeight < 36).map((e) => [e.ariaLabel || e.textContent, e.offsetHeight])"""


@pytest.fixture
def phone(visit) -> Page:
    page = visit(390, 844, **PHONE)
    lab.open_page(page, "?seeds=1")
    return page


def test_one_column_under_the_two_maps_that_does_not_scroll_sideways(phone: Page):
    assert phone.evaluate("probes.tooWide()") == 0
    assert phone.evaluate("document.scrollingElement.scrollWidth") == 390
    boxes = [box for card in phone.locator(".wd-card").all() if (box := card.bounding_box())]
    pair, column = boxes[:2], boxes[2:]
    assert pair[0]["y"] == pair[1]["y"]
    assert len({box["x"] for box in column}) == 1
    tops = [pair[0]["y"], *(box["y"] for box in column)]
    assert tops == sorted(set(tops))
    assert phone.evaluate(LOW) == []
    phone.get_by_role("button", name="Edit points").tap()
    expect(phone.locator(".wd-strip")).to_be_visible()
    assert phone.evaluate(LOW) == []
    assert phone.evaluate("probes.tooWide()") == 0


def test_the_first_screen_shows_both_maps_and_the_decay_is_always_in_reach(visit):
    phone = visit(390, 664, **PHONE)  # what the bars of a browser leave
    lab.open_page(phone, "?seeds=1")
    decay = phone.locator(lab.DECAY)
    maps = [phone.locator(place) for place in lab.MAPS.values()]
    for place in maps:
        expect(place).to_be_in_viewport(ratio=0.3)
    boxes = [place.bounding_box() for place in maps]
    assert boxes[0]
    assert boxes[1]
    assert boxes[0]["y"] == boxes[1]["y"]
    expect(decay).to_be_in_viewport(ratio=1)
    phone.locator("[data-panel=norms]").scroll_into_view_if_needed()
    expect(decay).to_be_in_viewport(ratio=1)
    assert phone.evaluate("probes.tooWide()") == 0
    phone.get_by_role("button", name="Edit points").tap()  # for which a map must be large
    expect(phone.locator("[data-panel=with]")).not_to_have_attribute("data-small", "")


def test_a_keyboard_over_the_page_does_not_end_the_typing(phone: Page):
    """Where it makes the window lower, the slider goes back to the others only after that."""
    typed = phone.get_by_label("Weight decay, typed")
    typed.focus()
    phone.set_viewport_size({"width": 390, "height": 400})
    phone.wait_for_function("() => !document.querySelector('.wd-stage').hasAttribute('data-phone')")
    expect(typed).to_be_focused()
    before = lab.result(phone)
    typed.fill("5")
    typed.press("Enter")
    lab.wait_for_change(phone, before)
    expect(phone.locator(".wd-bar " + lab.DECAY)).to_be_visible()


def test_the_sidebar_is_a_drawer_that_closes_over_another_page(phone: Page):
    slider = phone.locator(".st-key-n_train")
    expect(slider).not_to_be_in_viewport()
    phone.get_by_test_id("stExpandSidebarButton").tap()
    expect(slider).to_be_in_viewport()
    phone.get_by_role("link", name="Why it helps", exact=True).tap()
    expect(phone.get_by_role("heading", name="Why do smaller weights help?")).to_be_visible()
    expect(slider).not_to_be_in_viewport()


def test_what_is_to_be_noticed_is_on_the_screen(phone: Page):
    before = lab.result(phone)
    phone.locator(".st-key-notice button").first.tap()
    lab.wait_for_change(phone, before)
    expect(phone.locator(".wd-answer")).to_be_in_viewport()


def test_fingers_move_the_slider_and_start_the_playback(phone: Page):
    before = lab.result(phone)
    box = phone.locator(lab.DECAY).bounding_box()
    assert box
    phone.touchscreen.tap(box["x"] + 0.3 * box["width"], box["y"] + box["height"] / 2)
    lab.wait_for_change(phone, before)
    phone.wait_for_function("() => new URLSearchParams(location.search).has('decay')")
    lab.wait_for_quiet(phone)
    assert not any(ask["live"] for ask in lab.diary(phone)["asks"][-1:])
    phone.get_by_role("button", name="Play (space)").tap()
    phone.wait_for_function("() => +document.querySelector('.wd-stage').dataset.step > 0")
    phone.get_by_role("button", name="Pause (space)").tap()
    expect(phone.get_by_role("button", name="Play (space)")).to_be_visible()


def test_a_tap_adds_a_point(phone: Page):
    before = lab.result(phone)
    phone.get_by_role("button", name="Edit points").tap()
    overlay = phone.locator("[data-panel=without] .wd-edit")
    overlay.scroll_into_view_if_needed()
    place = phone.evaluate("probes.emptyPlace('without')")
    phone.touchscreen.tap(place["left"], place["top"])
    lab.wait_for_change(phone, before)
    expect(phone.locator(".wd-strip")).to_contain_text("41 training points")
    lab.wait_for_quiet(phone)
    kind, x, y = lab.query(phone)["edits"][0], *map(float, lab.query(phone)["edits"][1:].split("_")[:2])
    assert (kind, x, y) == ("a", pytest.approx(place["x"], abs=0.04), pytest.approx(place["y"], abs=0.04))


def test_on_its_side_a_map_is_whole_above_the_slider_that_stays(visit):
    phone = visit(844, 390, **PHONE)
    lab.open_page(phone, "?seeds=1")
    phone.locator("[data-panel=with]").evaluate("(card) => card.scrollIntoView()")
    expect(phone.locator(lab.DECAY)).to_be_in_viewport(ratio=1)
    dock = phone.locator(".wd-dock").bounding_box()
    for place in lab.MAPS.values():
        picture = phone.locator(place).bounding_box()
        assert dock
        assert picture
        assert picture["y"] >= 0
        assert picture["y"] + picture["height"] <= dock["y"]
    assert (phone.locator(lab.DECAY).bounding_box() or {})["width"] > 80
    assert phone.evaluate("probes.tooWide()") == 0
