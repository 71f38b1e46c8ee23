"""The Overfitting page in Chromium, as a visitor meets it."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlparse

import pytest
from playwright.sync_api import Browser, Page, expect

from wdviz.settings import SPECS, Number
from wdviz.ui import controls

PAINTED = ".wd-stage[data-status='']"  # all seeds are there
PROBES = Path(__file__).with_name("probes.js").read_text(encoding="utf-8")
SLIDER = ".st-key-decay input[type=range]"


def open_page(page: Page, query: str = "") -> None:
    page.goto("/" + query)
    page.wait_for_selector(PAINTED)
    page.evaluate(PROBES)


def result(page: Page) -> str:
    return page.locator(".wd-stage").get_attribute("data-result") or ""


def move(page: Page, key: str) -> str:
    """Press a key on the decay slider and wait until all seeds of the new value are painted; their result's name."""
    before = result(page)
    page.locator(SLIDER).first.press(key)
    page.wait_for_function(
        "before => { const s = document.querySelector('.wd-stage'); return s.dataset.result !== before && s.dataset.status === '' }",
        arg=before,
    )
    return result(page)


def test_opens_on_a_trained_default_with_live_numbers(page: Page):
    open_page(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("What does weight decay do to a network that memorises?")
    expect(page.locator(".st-key-answer")).to_contain_text(re.compile(r"cuts the loss on new data by \d+ % \(\d+ to \d+ over 5 seeds\)"))
    expect(page.locator("[data-panel=without] .wd-tag")).to_have_text("memorises")
    expect(page.locator("[data-panel=with] .wd-tag")).to_have_text("generalises")
    assert page.locator(".js-plotly-plot").count() == 5
    # The decision map is really painted: many colours, the two classes among them.
    colours = page.evaluate("probes.colours('[data-panel=with] canvas')")
    assert colours > 20


def test_first_seed_paints_first_and_the_others_fill_in(page: Page):
    page.add_init_script("window.seen = []; document.addEventListener('wd:painted', e => window.seen.push(e.target.dataset.status))")
    open_page(page, "?seed=4321&seeds=6")
    seen = page.evaluate("window.seen")
    assert len(seen) >= 2
    assert re.match(r"\d seeds? of 6", seen[0])
    assert seen[-1] == ""


def test_moves_update_in_place_without_a_blank_frame(page: Page):
    open_page(page, "?seeds=1")
    page.evaluate("probes.watch()")
    seen = {result(page)}
    for key in ["ArrowLeft"] * 6 + ["ArrowRight"] * 4:
        seen.add(move(page, key))
    assert len(seen) == 7
    watched = page.evaluate("probes.seen()")
    assert watched["frames"] > 10
    assert (watched["lost"], watched["blank"]) == (0, 0)


def test_settings_travel_in_the_address_and_a_reload_restores_the_picture(page: Page):
    open_page(page)
    shown = move(page, "ArrowLeft")
    page.wait_for_url(re.compile(r"[?&]decay=1(&|$)"))
    page.reload()
    page.wait_for_selector(PAINTED)
    assert result(page) == shown


def test_no_request_leaves_the_server(browser: Browser, server: str):
    context = browser.new_context(base_url=server)
    hosts: set[str] = set()
    context.on("request", lambda request: hosts.add(urlparse(request.url).netloc))

    def cut(route):
        own = urlparse(route.request.url).netloc == urlparse(server).netloc
        route.continue_() if own else route.abort("internetdisconnected")

    context.route("**/*", cut)
    page = context.new_page()
    page.on("websocket", lambda socket: hosts.add(urlparse(socket.url).netloc))
    page.goto("/")
    page.wait_for_selector(PAINTED)
    move(page, "ArrowLeft")
    page.get_by_text("Why", exact=True).click()
    expect(page.locator(".katex").first).to_be_visible()
    context.close()
    assert hosts - {""} == {urlparse(server).netloc}  # "" is data: and blob:, which are no requests


@pytest.mark.parametrize("width", [390, 1024, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_scrolls_sideways_and_text_is_readable(browser: Browser, server: str, width: int, scheme: str):
    context = browser.new_context(
        base_url=server, viewport={"width": width, "height": 844}, color_scheme="dark" if scheme == "dark" else "light"
    )
    page = context.new_page()
    open_page(page)
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
    assert page.evaluate("probes.tooWide()") == 0
    contrast = page.evaluate("probes.worstContrast()")
    context.close()
    assert contrast[0] >= 4.5, contrast


HOSTILE = (
    "?decay=1e999&n_train=-1&seed=9e99&dataset=%3Cscript%3Ealert(1)%3C/script%3E&regularisers=__import__&steps=nan",
    "?learning_rate=0&width=1000000&depth=-3&momentum=inf&batch_size=1e9&flip=NaN&decay=" + "9" * 4000,
    "?dataset=iris&n_train=500",
)


@pytest.mark.parametrize("query", HOSTILE)
def test_hostile_addresses_leave_a_working_page(page: Page, query: str):
    open_page(page, query)
    assert page.locator("[data-testid=stException]").count() == 0
    assert "Traceback" not in page.content()
    move(page, "ArrowLeft")


def test_too_many_points_are_said(page: Page):
    open_page(page, "?dataset=iris&n_train=500")
    expect(page.get_by_role("alert").filter(has_text="iris has 75 at most")).to_be_visible()


def test_divergence_is_labelled_and_the_page_goes_on(page: Page):
    open_page(page, "?decay=100&seeds=1")
    expect(page.locator("[data-panel=with] .wd-tag")).to_have_text("diverged")
    page.locator(SLIDER).first.press("Home")
    expect(page.locator("[data-panel=with] h3")).to_have_text("With decay 0")
    expect(page.locator("[data-panel=with] .wd-tag")).to_have_text("memorises")


def test_layer_picker_and_data_need_no_server(page: Page):
    open_page(page, "?seeds=1")
    page.locator("[data-panel=weights] select").select_option(label="layer 2")
    expect(page.locator("[data-panel=weights] .wd-summary")).to_contain_text("layer 2")
    with page.expect_download() as download:
        page.locator("[data-panel=curves] .wd-csv").click()
    text = download.value.path().read_text()
    assert text.splitlines()[0] == "trace,x,y"
    assert "test loss, with decay" in text


def test_test_points_on_demand(page: Page):
    open_page(page, "?seeds=1")
    count = "document.querySelectorAll('[data-panel=with] .scatterlayer .point').length"
    before = page.evaluate(count)
    page.get_by_text("Show test points").click()
    page.wait_for_function(f"{count} >= {before} + 300")


@pytest.mark.parametrize("group", list(controls.SHOWN))
def test_each_slider_of_the_sidebar_repaints_by_keyboard(page: Page, group: str):
    open_page(page, "?seeds=1&optimiser=momentum&learning_rate=0.01&regularisers=dropout&regularisers=l1")

    def tour(names: tuple[str, ...]) -> None:
        for name in names:
            slider = page.locator(f".st-key-{name} input[type=range]").first
            if isinstance(SPECS[name], Number) and name != "seeds" and not slider.is_disabled():
                before = result(page)
                slider.press("ArrowRight")
                page.wait_for_function(
                    "before => { const s = document.querySelector('.wd-stage'); return s.dataset.result !== before && !s.dataset.status }",
                    arg=before,
                )

    tour(controls.SHOWN[group])
    more = page.locator(f".st-key-more_{group} button")
    more.focus()
    more.press("Enter")
    tour(controls.MORE[group])
    assert page.locator("[data-testid=stException]").count() == 0
    assert "width=" not in page.url  # what was left at its default stays out of the address
