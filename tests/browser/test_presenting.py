"""For a class: presenter mode, figures embedded in another page, themes."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser import lab
from wdviz.settings import Settings
from wdviz.ui import address, prose

SIZES = """() => Object.fromEntries([".wd-answer", ".wd-title", ".wd-slider label", ".wd-stats dd", ".xtick text"].map((part) =>
  [part, parseFloat(getComputedStyle(document.querySelector(".wd-stage " + part)).fontSize)]))"""
# Whether a card's title and map are whole on the screen, and nothing lies over the map.
INSIDE = """(panel) => {
  const card = document.querySelector(`[data-panel=${panel}]`);
  const end = Math.min(innerHeight, document.querySelector(".wd-player").getBoundingClientRect().top);
  const boxes = [".wd-title", ".wd-map"].map((part) => card.querySelector(part).getBoundingClientRect());
  return boxes.every((box) => box.height > 20 && box.top >= 0 && box.left >= 0 && box.bottom <= end && box.right <= innerWidth);
}"""
FIGURES = ".wd-card:visible"
LEGEND_ROWS = """() => new Set([...document.querySelectorAll("[data-panel=without] .legendtext")]
  .map((words) => Math.round(words.getBoundingClientRect().top))).size"""

# Each figure is as wide as its card lets it be.
FILLED = """() => [...document.querySelectorAll(".wd-figure")].every((figure) => {
  const plot = figure.querySelector(".js-plotly-plot");
  return !plot || !figure.clientWidth || Math.abs(plot._fullLayout.width - figure.clientWidth) < 1;
})"""


def test_presenter_mode_is_large_bare_and_left_by_escape(page: Page):
    lab.open_page(page, "?seeds=1")
    normal = page.evaluate(SIZES)
    page.locator("h1").click()
    page.keyboard.press("p")
    lab.wait_for_address(page, present="1")
    lab.wait_for_quiet(page)
    page.wait_for_function("(normal) => (%s)()['.xtick text'] > normal" % SIZES, arg=normal[".xtick text"])  # noqa: UP031
    large = page.evaluate(SIZES)
    assert {part: large[part] / normal[part] >= 1.4 for part in normal} == dict.fromkeys(normal, True)
    expect(page.get_by_test_id("stSidebar")).to_be_hidden()
    expect(page.get_by_test_id("stHeader")).to_be_hidden()
    expect(page.get_by_role("group", name="Presentation")).to_be_visible()
    expect(page.get_by_role("group", name="Tools")).to_be_hidden()
    page.keyboard.press("Escape")
    lab.wait_for_address(page, present="")
    expect(page.get_by_test_id("stSidebar")).to_be_visible()
    expect(page.get_by_role("group", name="Presentation")).to_be_hidden()
    page.wait_for_function("(normal) => (%s)()['.xtick text'] === normal" % SIZES, arg=normal[".xtick text"])  # noqa: UP031


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (1920, 1080)])
def test_both_maps_fit_a_projector_without_scrolling(visit, width: int, height: int):
    page = visit(width, height)
    lab.open_page(page, "?seeds=1&present=1")
    lab.wait_for_quiet(page)
    assert page.evaluate("probes.tooWide()") == 0
    assert page.evaluate("scrollY") == 0
    assert {panel: page.evaluate(INSIDE, panel) for panel in lab.MAPS} == dict.fromkeys(lab.MAPS, True)
    expect(page.locator(lab.DECAY)).to_be_in_viewport(ratio=1)


def test_the_presentation_steps_through_the_notices(page: Page):
    lab.open_page(page, "?present=1")
    notice = ["The page as it opens", *(words for words, _ in prose.notice("overfitting"))]
    settings = [{}, *(address.parse(query) for _, query in prose.notice("overfitting"))]
    words, place = page.locator(".wd-caption-words"), 0
    for key, by in (("PageDown", 1), ("n", 1), ("b", -1), ("PageUp", -1), ("PageUp", 0), ("PageDown", 1)):
        page.keyboard.press(key)
        place += by
        expect(words).to_have_text(f"{place + 1} of {len(notice)}: {notice[place]}")
        decay = settings[place].get("decay", Settings().decay)
        expect(page.locator("[data-panel=with] .wd-title")).to_have_text(f"With decay {decay:g}")
        expect(page.locator(".wd-typed").first).to_have_value(f"{decay:g}")
        lab.wait_for_address(page, present="1", **{name: str(address.written(name, given)) for name, given in settings[place].items()})
        lab.wait_for_quiet(page)
    page.get_by_role("button", name="Next").click()
    expect(words).to_have_text(f"3 of {len(notice)}: {notice[2]}")


def test_the_presentation_goes_on_from_page_to_page(page: Page):
    lab.open_page(page, f"?present=1&contrast=1&{prose.notice('overfitting')[0][1]}")
    words, title = page.locator(".wd-caption-words"), page.locator("h1")
    expect(words).to_contain_text("2 of")  # the step whose settings the link has
    for count in range(1, len(prose.notice("overfitting"))):
        page.keyboard.press("PageDown")
        expect(words).to_contain_text(f"{count + 2} of")
    expect(page.get_by_role("button", name="Next page")).to_be_visible()
    page.keyboard.press("PageDown")
    expect(title).to_have_text("Why do smaller weights help?")
    lab.wait_for_address(page, present="1", contrast="1", **dict.fromkeys(("decay", "learning_rate", "seeds"), ""))
    expect(words).to_contain_text("1 of")
    expect(page.locator("[data-panel=with] .wd-title")).to_have_text(f"With decay {Settings().decay:g}")
    page.keyboard.press("PageUp")
    expect(title).to_contain_text("a network that memorises")
    expect(words).to_contain_text("1 of")
    page.keyboard.press("2")
    expect(title).to_have_text("Why do smaller weights help?")


def test_a_step_can_be_had_back_as_it_was(page: Page):
    lab.open_page(page, "?present=1")
    again = page.get_by_role("button", name="Again")
    expect(again).to_be_hidden()
    before, words = lab.result(page), page.locator(".wd-caption-words")
    lab.press(page, "ArrowLeft")
    expect(words).to_have_text("Your own settings")
    expect(again).to_be_visible()
    page.reload()
    page.wait_for_selector(lab.PAINTED)
    expect(words).to_have_text("Your own settings")
    page.keyboard.press("a")
    expect(page.locator("[data-panel=with] .wd-title")).to_have_text(f"With decay {Settings().decay:g}")
    page.wait_for_function("(before) => document.querySelector('.wd-stage').dataset.result === before", arg=before)
    expect(again).to_be_hidden()


def test_one_figure_alone_and_all_again(page: Page):
    lab.open_page(page, "?present=1&seeds=1")
    expect(page.locator(FIGURES)).to_have_count(5)
    for panel in ("without", "with", "curves"):
        page.keyboard.press("f")
        expect(page.locator(FIGURES)).to_have_count(1)
        expect(page.locator(f"[data-panel={panel}]")).to_be_visible()
    # It fills the width, and its axes with it.
    page.wait_for_function(
        """() => {
          const card = document.querySelector("[data-panel=curves]");
          const { width } = card.querySelector(".js-plotly-plot")._fullLayout;
          return card.clientWidth > 0.9 * innerWidth && Math.abs(width - card.querySelector(".wd-figure").clientWidth) < 1;
        }"""
    )
    page.keyboard.press("l")
    expect(page.locator(FIGURES)).to_have_count(5)


def test_keys_typed_into_a_field_are_no_shortcuts(page: Page):
    lab.open_page(page, "?seeds=1")
    typed = page.get_by_label("Weight decay, typed")
    typed.fill("")
    for key in ("p", "e", "h", "Space"):
        page.keyboard.press(key)
    expect(typed).to_have_value("peh ")
    expect(page.get_by_role("group", name="Presentation")).to_be_hidden()
    expect(page.locator(".wd-edit")).to_have_count(0)
    assert len(lab.diary(page)["asks"]) == 0


def test_embedded_it_is_the_figures_and_the_decay_alone(page: Page):
    lab.open_page(page, "?embed=true&seeds=1")
    expect(page.locator(FIGURES)).to_have_count(5)
    expect(page.locator(lab.DECAY)).to_be_visible()
    hidden = (".wd-answer", ".wd-tools", ".wd-player", ".wd-caption", lab.RATE, "h1", ".st-key-notice", "[data-testid=stExpander]")
    for selector in (*hidden, "[data-testid=stSidebar]", "[data-testid=stHeader] button"):
        assert page.locator(selector).locator("visible=true").count() == 0, selector
    page.locator("body").press("p")  # a key meant for the page around it
    lab.press(page, "ArrowLeft")
    expect(page.locator("[data-panel=with] .wd-title")).to_have_text("With decay 1")
    expect(page.get_by_role("group", name="Presentation")).to_be_hidden()
    assert page.evaluate("probes.tooWide()") == 0


# --- themes -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("look", "least"), [("light", 4.5), ("dark", 4.5), ("contrast", 7)])
def test_nothing_scrolls_sideways_and_text_is_readable(visit, look: str, least: float):
    page = visit(390, 844, color_scheme="dark" if look == "dark" else "light")
    lab.open_page(page, "?seeds=2" + ("&contrast=1" if look == "contrast" else ""))
    expect(page.locator(".wd-stage")).to_have_attribute("data-theme", look)
    for width, texts in ((390, 60), (1024, 80), (1440, 80)):  # words in figures too, of which a phone has fewer
        page.set_viewport_size({"width": width, "height": 844})
        page.wait_for_function(FILLED)
        assert page.evaluate("probes.tooWide()") == 0, width
        assert page.evaluate(LEGEND_ROWS) <= 2, width  # of three names
        ratio, *where, count = page.evaluate("probes.worstContrast()")
        assert count > texts, width
        assert ratio >= least, (width, where)


@pytest.mark.parametrize("look", ["light", "dark"])
def test_text_is_readable_while_one_edits_plays_and_shares(visit, look: str):
    page = visit(color_scheme=look)
    lab.open_page(page, "?seeds=1")
    lab.film(page, 100)
    worst = [page.evaluate("probes.worstContrast()")]
    page.get_by_role("button", name="Edit points").click()
    page.wait_for_selector(".wd-edit")
    worst.append(page.evaluate("probes.worstContrast()"))
    page.get_by_role("button", name="Share").click()
    worst.append(page.evaluate("probes.worstContrast()"))
    assert min(worst)[0] >= 4.5, min(worst)


def test_figures_follow_a_change_of_the_theme(page: Page):
    lab.open_page(page, "?seeds=1")
    ink = "getComputedStyle(document.querySelector('.wd-stage .xtick text')).fill"
    before, light = page.evaluate(ink), lab.picture(page, "with")
    page.evaluate("window.same = true")
    page.emulate_media(color_scheme="dark")
    page.wait_for_selector(".wd-stage[data-theme=dark]")
    page.wait_for_function(f"(before) => {ink} !== before", arg=before)
    page.wait_for_function("([map, light]) => probes.picture(map) !== light", arg=[lab.MAPS["with"], light])
    assert page.evaluate("probes.worstContrast()[0]") >= 4.5
    page.emulate_media(color_scheme="light")
    page.wait_for_function(f"(before) => {ink} === before", arg=before)
    page.wait_for_function("([map, light]) => probes.picture(map) === light", arg=[lab.MAPS["with"], light])
    assert page.evaluate("window.same") is True  # without a reload
    assert len(lab.diary(page)["asks"]) == 0


def test_high_contrast_is_a_key_away_in_the_dark(visit):
    page = visit(color_scheme="dark")
    lab.open_page(page, "?seeds=1")
    page.locator("h1").click()
    page.keyboard.press("h")
    lab.wait_for_address(page, contrast="1")
    page.wait_for_selector(".wd-stage[data-theme=contrast]")
    lab.wait_for_quiet(page)
    page.wait_for_function("() => probes.worstContrast()[0] >= 7")
    assert page.locator("h1").evaluate("(e) => getComputedStyle(e).color") == "rgb(0, 0, 0)"
