"""The Overfitting page in Chromium, as a visitor meets it."""

from __future__ import annotations

import re
from urllib.parse import urlparse

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import lab
from wdviz.settings import SPECS
from wdviz.specs import Number
from wdviz.ui import controls


def test_opens_on_a_trained_default_with_live_numbers(page: Page):
    lab.open_page(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("What does weight decay do to a network that memorises?")
    expect(page.locator(".wd-answer")).to_contain_text(re.compile(r"cuts the loss on new data by \d+ % \(\d+ to \d+ over 5 seeds\)"))
    expect(page.locator("[data-panel=without] .wd-tag")).to_have_text("memorises")
    expect(page.locator("[data-panel=with] .wd-tag")).to_have_text("generalises")
    assert page.locator(".js-plotly-plot").count() == 5
    # The decision map is really painted: many colours, the two classes among them.
    assert page.evaluate("(map) => probes.colours(map)", lab.MAPS["with"]) > 20


def test_first_seed_paints_first_and_the_others_fill_in(page: Page):
    lab.open_page(page, "?seed=4321&seeds=6")
    statuses = [status for _, status in lab.diary(page)["painted"]]
    assert len(statuses) >= 2
    assert re.match(r"\d seeds? of 6", statuses[0])
    assert statuses[-1] == ""


def test_no_request_leaves_the_server(browser: Browser, server: str):
    context = browser.new_context(base_url=server)
    context.add_init_script(lab.PROBES)
    hosts: set[str] = set()
    context.on("request", lambda request: hosts.add(urlparse(request.url).netloc))

    def cut(route):
        own = urlparse(route.request.url).netloc == urlparse(server).netloc
        route.continue_() if own else route.abort("internetdisconnected")

    context.route("**/*", cut)
    page = context.new_page()
    page.on("websocket", lambda socket: hosts.add(urlparse(socket.url).netloc))
    lab.open_page(page)
    lab.press(page, "ArrowLeft")
    page.get_by_role("button", name="Share").click()
    page.wait_for_function("() => document.querySelector('.wd-qr').naturalWidth > 0")
    page.keyboard.press("Escape")
    page.get_by_text("Why", exact=True).click()
    expect(page.locator(".katex").first).to_be_visible()
    context.close()
    assert hosts - {""} == {urlparse(server).netloc}  # "" is data: and blob:, which are no requests


def test_divergence_is_labelled_and_the_page_goes_on(page: Page):
    lab.open_page(page, "?decay=100&seeds=1")
    expect(page.locator("[data-panel=with] .wd-tag")).to_have_text("diverged")
    page.locator(lab.DECAY).press("Home")
    expect(page.locator("[data-panel=with] .wd-title")).to_have_text("With decay 0")
    expect(page.locator("[data-panel=with] .wd-tag")).to_have_text("memorises")


def test_layer_picker_and_data_need_no_server(page: Page):
    lab.open_page(page, "?seeds=1")
    asked = len(lab.diary(page)["asks"])
    page.get_by_role("combobox", name="Spread of the weights: which picture").select_option(label="layer 2")
    expect(page.locator("[data-panel=weights] .wd-summary")).to_contain_text("layer 2")
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV: download the data of Loss over training").click()
    lines = download.value.path().read_text().splitlines()
    assert lines[:2] == [f"# {page.url}", "trace,x,y"]
    assert any(line.startswith('"test loss, with decay",') for line in lines)
    assert len(lab.diary(page)["asks"]) == asked


def test_test_points_on_demand(page: Page):
    lab.open_page(page, "?seeds=1")
    count = "document.querySelectorAll('[data-panel=with] .scatterlayer .point').length"
    before = page.evaluate(count)
    button = page.get_by_role("button", name="Test points")
    button.click()
    page.wait_for_function(f"() => {count} >= {before} + 300")
    expect(button).to_have_attribute("aria-pressed", "true")
    button.click()
    page.wait_for_function(f"() => {count} === {before}")


@pytest.mark.parametrize("group", list(controls.SHOWN))
def test_each_slider_of_the_sidebar_repaints_by_keyboard(page: Page, group: str):
    lab.open_page(page, "?seeds=1&optimiser=momentum&learning_rate=0.01&regularisers=dropout&regularisers=l1")

    def tour(names: tuple[str, ...]) -> None:
        for name in names:
            slider = f".st-key-{name} input[type=range]"
            if isinstance(SPECS[name], Number) and name != "seeds" and not page.locator(slider).first.is_disabled():
                lab.press(page, "ArrowRight", slider)

    tour(controls.SHOWN[group])
    more = page.locator(f".st-key-more_{group} button")
    more.focus()
    more.press("Enter")
    tour(controls.MORE[group])
    assert lab.trouble(page) == 0
    assert "width" not in lab.query(page)  # what was left at its default stays out of the address


def test_each_notice_sets_the_page(page: Page):
    lab.open_page(page, "?seed=3&regularisers=dropout")
    before = lab.result(page)
    page.get_by_role("button", name="Too much: decay 30 learns nothing").click()
    lab.wait_for_change(page, before)
    lab.wait_for_address(page, decay="30", seed="", regularisers="")
    expect(page.locator("[data-panel=with] .wd-tag")).to_have_text("learns nothing")
    expect(page.locator(lab.DECAY)).to_have_attribute("aria-valuetext", re.compile("^decay 30,"))


def test_a_second_page_has_its_own_settings(page: Page, visit):
    lab.open_page(page, "?seeds=1")
    other = visit()
    lab.open_page(other, "?seeds=1")
    before = lab.result(page)
    lab.press(other, "ArrowLeft")
    assert lab.result(page) == before
    assert lab.query(page) == {"seeds": "1"}
    expect(page.locator(".wd-typed").first).to_have_value("2")
