"""Training points changed by hand: click, shift-click, drag, undo, clear, and all of it by keyboard."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser import lab

CLOSE = 0.04  # data units: a pixel is about 0.01 of them, and the address has two decimals
COUNT = ".wd-strip"
RANGES = """() => {
  const { xaxis, yaxis } = document.querySelector("[data-panel=with] .js-plotly-plot")._fullLayout;
  return [xaxis.range, yaxis.range];
}"""


def start_editing(page: Page, query: str = "?seeds=1") -> Locator:
    """Opens the page and edits; what lies over the map of the arm with decay."""
    lab.open_page(page, query)
    page.get_by_role("button", name="Edit points").click()
    overlay = page.locator("[data-panel=with] .wd-edit")
    expect(overlay).to_be_visible()
    page.wait_for_function("() => document.querySelectorAll('.wd-edit').length === 2")
    lab.wait_for_quiet(page)
    return overlay


def expect_points(page: Page, count: int) -> None:
    """On the strip and in both pictures."""
    expect(page.locator(COUNT)).to_contain_text(f"{count} training points")
    page.wait_for_function("(count) => ['with', 'without'].every((panel) => probes.points(panel).length === count)", arg=count)
    lab.wait_for_quiet(page)


def edits(page: Page) -> list[str]:
    return [item for item in lab.query(page).get("edits", "").split("~") if item]


def added(page: Page) -> list[tuple[float, float, int]]:
    """Points put in, as the address has them."""
    found = [re.fullmatch(r"a(-?[\d.]+)_(-?[\d.]+)_(\d)", item) for item in edits(page)]
    return [(float(one[1]), float(one[2]), int(one[3])) for one in found if one]


def click(page: Page, place: dict[str, Any], **options: Any) -> None:
    page.mouse.click(place["left"], place["top"], **options)


def test_click_adds_shift_click_removes_undo_and_clear_go_back(page: Page):
    start_editing(page)
    start = lab.result(page)
    expect_points(page, 40)
    undo, clear = page.get_by_role("button", name="Undo"), page.get_by_role("button", name="Clear edits")
    expect(undo).to_be_disabled()
    expect(clear).to_be_disabled()

    place, loner = page.evaluate("[probes.emptyPlace('with'), probes.loner('with')]")
    page.get_by_role("button", name="Add lower moon").click()
    click(page, place)
    one = lab.wait_for_change(page, start)
    expect_points(page, 41)
    ((x, y, label),) = added(page)
    assert (x, y) == (pytest.approx(place["x"], abs=CLOSE), pytest.approx(place["y"], abs=CLOSE))
    assert label == 1

    # The nearest point to the place, which is the one just added, though the pointer is 30 px off.
    page.keyboard.down("Shift")
    page.mouse.click(place["left"] + 30, place["top"])
    page.keyboard.up("Shift")
    page.wait_for_selector(f".wd-stage[data-result='{start}']")
    expect_points(page, 40)
    lab.wait_for_address(page, edits="")

    undo.click()  # the removal
    page.wait_for_selector(f".wd-stage[data-result='{one}']")
    page.get_by_role("button", name="Remove", exact=True).click()
    click(page, loner)
    lab.wait_for_change(page, one)
    expect_points(page, 40)
    assert [item[0] for item in edits(page)] == ["r", "a"]
    edited = edits(page)
    clear.click()
    page.wait_for_selector(f".wd-stage[data-result='{start}']")
    lab.wait_for_address(page, edits="")
    expect(clear).to_be_disabled()
    undo.click()  # of the clearing
    lab.wait_for_change(page, start)
    lab.wait_for_address(page, edits="~".join(edited))


def test_a_point_is_dragged_and_ends_where_it_is_dropped(page: Page):
    start_editing(page, "?seed=77&seeds=2")
    expect_points(page, 40)
    before = lab.diary(page)
    address = page.url
    loner, place = page.evaluate("[probes.loner('with'), probes.emptyPlace('with')]")
    page.mouse.move(loner["left"], loner["top"])
    page.mouse.down()
    for share in (0.25, 0.5, 0.75, 1):
        count = len(set(lab.diary(page)["sketched"]))
        page.mouse.move(*(loner[side] + share * (place[side] - loner[side]) for side in ("left", "top")))
        page.wait_for_function("(count) => new Set(probes.diary.sketched).size > count", arg=count)
    expect(page.locator("[data-panel=with] .wd-ghost")).to_be_visible()
    held = lab.diary(page)
    assert all(ask["live"] for ask in held["asks"][len(before["asks"]) :])
    assert page.url == address
    page.mouse.up()
    expect_points(page, 40)
    expect(page.locator("[data-panel=with] .wd-ghost")).to_be_hidden()
    assert [item[0] for item in edits(page)] == ["r", "a"]
    ((x, y, _),) = added(page)
    assert (x, y) == (pytest.approx(place["x"], abs=CLOSE), pytest.approx(place["y"], abs=CLOSE))
    shown = page.evaluate("probes.points('with')")
    assert any(abs(p["x"] - x) < 0.01 and abs(p["y"] - y) < 0.01 for p in shown)
    after = lab.diary(page)
    assert after["crowded"] == 0
    assert len(after["addresses"]) == len(before["addresses"]) + 1

    page.get_by_role("button", name="Undo").click()  # the whole drag at once
    lab.wait_for_address(page, edits="")


def test_points_by_keyboard_alone(page: Page):
    lab.open_page(page, "?seeds=1")
    start = lab.result(page)
    page.locator("h1").click()
    page.keyboard.press("e")
    overlay = page.locator("[data-panel=with] .wd-edit")
    overlay.focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowDown")
    expect(overlay.locator(".wd-cross")).to_have_css("visibility", "visible")
    for _ in range(3):
        page.keyboard.press("Shift+ArrowUp")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    lab.wait_for_change(page, start)
    expect_points(page, 41)
    ((x, y, _),) = added(page)
    (left, right), (low, high) = page.evaluate(RANGES)
    assert x == pytest.approx(left + 0.52 * (right - left), abs=0.02)
    assert y == pytest.approx(low + 0.8 * (high - low), abs=0.02)

    # M takes the nearest point and puts it down again.
    one = lab.result(page)
    page.keyboard.press("m")
    expect(overlay.locator(".wd-ghost")).to_be_visible()
    page.keyboard.press("Shift+ArrowLeft")
    page.keyboard.press("m")
    lab.wait_for_change(page, one)
    expect(overlay.locator(".wd-ghost")).to_be_hidden()
    expect_points(page, 41)
    ((moved, still, _),) = added(page)
    assert moved == pytest.approx(x - 0.1 * (right - left), abs=0.02)
    assert still == pytest.approx(y, abs=0.02)

    page.keyboard.press("Delete")
    page.wait_for_selector(f".wd-stage[data-result='{start}']")
    expect_points(page, 40)
    lab.wait_for_address(page, edits="")
    expect(overlay).to_be_focused()


def test_there_are_not_more_than_500_points(page: Page):
    start_editing(page, "?seeds=1&n_train=500&steps=50")
    expect(page.locator(COUNT)).to_contain_text("500 training points")
    before = lab.result(page)
    asked = len(lab.diary(page)["asks"])
    click(page, page.evaluate("probes.emptyPlace('with')"))
    expect(page.locator(".wd-status")).to_contain_text("500 training points, the most possible")
    assert len(lab.diary(page)["asks"]) == asked
    assert lab.result(page) == before
    expect(page.locator(COUNT)).to_contain_text("500 training points")


def test_an_edited_set_survives_a_reload_and_more_edits(page: Page):
    start_editing(page)
    before = lab.result(page)
    click(page, page.evaluate("probes.emptyPlace('without')"))
    shown = lab.wait_for_change(page, before)
    expect_points(page, 41)
    page.reload()
    page.wait_for_selector(lab.PAINTED)
    assert lab.result(page) == shown
    page.get_by_role("button", name="Edit points").click()
    expect_points(page, 41)
    click(page, page.evaluate("probes.emptyPlace('with')"))
    lab.wait_for_change(page, shown)
    expect_points(page, 42)
    assert len(added(page)) == 2


@pytest.mark.parametrize("dataset", ["digits", "iris"])
def test_where_points_cannot_be_edited_it_says_why(page: Page, dataset: str):
    lab.open_page(page, f"?seeds=1&n_train=20&dataset={dataset}")
    button = page.get_by_role("button", name="Edit points")
    expect(button).to_have_attribute("aria-disabled", "true")
    button.dispatch_event("click")
    expect(page.locator(".wd-status")).to_contain_text(f"The points of {dataset} are a projection")
    expect(page.locator(".wd-edit")).to_have_count(0)
    expect(button).to_have_attribute("aria-pressed", "false")


def test_editing_ends_where_another_data_set_comes(page: Page):
    start_editing(page)
    before = lab.result(page)
    page.get_by_role("button", name="The same on handwritten digits").click()
    lab.wait_for_change(page, before)
    expect(page.locator(".wd-edit")).to_have_count(0)
    expect(page.locator(COUNT)).to_be_hidden()
