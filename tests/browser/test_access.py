"""For everyone: no serious finding of axe-core in any mode, and all of the stage by keyboard alone."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser import lab

LOOKS = {"light": ("", "light"), "dark": ("", "dark"), "contrast": ("&contrast=1", "light")}


# Words on controls that are switched off are exempt (WCAG 1.4.3); axe cannot tell that these labels belong to such.
EXEMPT = {"exclude": [[f".{kind}:has(input:disabled) [data-testid=stWidgetLabel]"] for kind in ("stSlider", "stSelectbox")]}


def findings(page: Page) -> list[tuple[str, str]]:
    """What axe finds that is serious or critical: rule and element."""
    violations: list[dict[str, Any]] = Axe().run(page, context=EXEMPT).response["violations"]
    grave = [v for v in violations if v["impact"] in ("serious", "critical")]
    return [(v["id"], f"{node['target']} {node['html'][:120]}") for v in grave for node in v["nodes"]]


def edit(page: Page) -> None:
    page.get_by_role("button", name="Edit points").click()
    expect(page.locator(".wd-edit")).to_have_count(2)


def leave_editing(page: Page) -> None:
    page.get_by_role("button", name="Edit points").click()
    expect(page.locator(".wd-edit")).to_have_count(0)


def pause(page: Page) -> None:
    lab.film(page, 100)


def share(page: Page) -> None:
    page.get_by_role("button", name="Share").click()
    expect(page.get_by_role("dialog")).to_be_visible()


STATES: tuple[Callable[[Page], None], ...] = (edit, leave_editing, pause, share)


@pytest.mark.parametrize(("width", "look"), [(390, "light"), (390, "dark"), (1440, "light"), (1440, "dark"), (1440, "contrast")])
def test_axe_finds_nothing_serious_in_any_state(visit, width: int, look: str):
    extra, scheme = LOOKS[look]
    page = visit(width, 900, color_scheme=scheme)
    lab.open_page(page, "?seeds=1" + extra)
    found = {"open": findings(page)}
    for state in STATES:
        state(page)
        found[state.__name__] = findings(page)
    assert {state: what for state, what in found.items() if what} == {}


@pytest.mark.parametrize("look", ["light", "dark"])
@pytest.mark.parametrize("mode", ["present=1", "embed=true"])
def test_axe_finds_nothing_serious_in_front_of_a_class(visit, mode: str, look: str):
    extra, scheme = LOOKS[look]
    page = visit(color_scheme=scheme)
    lab.open_page(page, f"?seeds=1&{mode}{extra}")
    assert findings(page) == []


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1440, "dark")])
def test_axe_finds_nothing_serious_in_the_words(visit, width: int, scheme: str):
    page = visit(width, 900, color_scheme=scheme)
    lab.open_page(page, "?seeds=1")
    page.get_by_text("Why", exact=True).click()
    expect(page.locator(".katex").first).to_be_visible()
    page.get_by_text("Small print", exact=True).click()
    expect(page.get_by_text("What is compared.")).to_be_visible()
    assert findings(page) == []


def test_axe_finds_nothing_serious_in_the_sidebar(visit):
    page = visit(390, 844)
    lab.open_page(page, "?seeds=1")
    page.get_by_test_id("stExpandSidebarButton").click()
    expect(page.locator(".st-key-n_train")).to_be_in_viewport()
    more = page.locator(".st-key-more_Training button")
    more.click()
    expect(page.locator(".st-key-batch_size")).to_be_visible()
    assert findings(page) == []


FOCUSED = """() => {
  const e = document.activeElement;
  if (e === document.body) return null;
  const style = getComputedStyle(e);
  const box = e.getBoundingClientRect();
  window.order ??= [];
  if (!order.includes(e)) order.push(e);
  return {
    place: order.indexOf(e), own: Boolean(e.closest(".wd-stage")), name: e.ariaLabel || e.id || e.textContent.slice(0, 40),
    outlined: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2 && style.outlineColor !== "rgba(0, 0, 0, 0)",
    shown: box.width > 0 && box.bottom > 0 && box.top < innerHeight,
  };
}"""
MISSED = """() => [...document.querySelectorAll(".wd-stage :is(button, select, input, .wd-edit)")]
  .filter((e) => e.getClientRects().length && !e.disabled && !window.order.includes(e)).map((e) => e.ariaLabel || e.id || e.textContent)"""


def walk(page: Page, key: str = "Tab", most: int = 250) -> list[dict[str, Any]]:
    """Press a key until the focus has been everywhere and comes back to where it began."""
    walked: list[dict[str, Any]] = []
    for _ in range(most):
        page.keyboard.press(key)
        now = page.evaluate(FOCUSED)
        if now is None:  # the window's edge
            continue
        if any(one["place"] == now["place"] for one in walked):
            assert now["place"] == 0, f"back at {now}"
            return walked
        walked.append(now)
    raise AssertionError(f"no end after {most} times {key}; the last were {walked[-5:]}")


@pytest.mark.parametrize("state", ["open", "edit", "pause", "present"])
def test_all_of_the_stage_by_the_tab_key(page: Page, state: str):
    lab.open_page(page, "?seeds=1" + ("&present=1" if state == "present" else ""))
    {"edit": edit, "pause": pause}.get(state, lambda _: None)(page)
    walked = walk(page)
    own = [one for one in walked if one["own"]]
    assert page.evaluate(MISSED) == []
    assert [one["name"] for one in own if not one["outlined"]] == []
    assert [one["name"] for one in own if not one["shown"]] == []


def test_the_dialog_holds_the_focus_and_gives_it_back(page: Page):
    lab.open_page(page, "?seeds=1")
    page.get_by_role("button", name="Share").focus()
    page.keyboard.press("Enter")
    inside = "document.activeElement === document.body || Boolean(document.activeElement.closest('dialog'))"
    names = set()
    for _ in range(8):
        page.keyboard.press("Tab")
        assert page.evaluate(inside)
        names.add(page.evaluate("document.activeElement.textContent || document.activeElement.ariaLabel"))
    assert {"Copy link", "Close", "Address of this page"} <= names
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Share")).to_be_focused()


def test_what_changes_is_announced(page: Page):
    lab.open_page(page, "?seeds=1")
    answer = page.locator(".wd-answer")
    expect(answer).to_have_attribute("aria-live", "polite")
    figures = page.locator(".wd-stage").get_by_role("img", name=re.compile(r"\d"))
    expect(figures).to_have_count(5)
    for figure in figures.all():
        assert len(figure.get_attribute("aria-label") or "") > 40  # what it shows, with numbers
    text = answer.inner_text()
    lab.press(page, "ArrowLeft")
    assert answer.inner_text() != text
    expect(page.get_by_role("slider", name="Weight decay", exact=True)).to_have_attribute(
        "aria-valuetext", page.locator(lab.DECAY).get_attribute("aria-valuetext") or "-"
    )
