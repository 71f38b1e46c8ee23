"""Addresses: each change is in it, a reload restores the picture, back and forward lead through the changes, hostile ones do no harm."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Dialog, Page, expect

from tests.browser import lab


def change_data_set(page: Page) -> None:
    box = page.locator(".st-key-dataset input").first
    box.click()
    page.get_by_role("option", name="circles").click()


def edit(page: Page) -> None:
    page.get_by_role("button", name="Edit points").click()
    page.wait_for_selector("[data-panel=with] .wd-edit")
    place = page.evaluate("probes.emptyPlace('with')")
    page.mouse.click(place["left"], place["top"])


def switch(page: Page) -> None:
    lab.film(page, 200)
    page.get_by_role("button", name="Change decay from here").click()


CHANGES: dict[str, tuple[Callable[[Page], None], str]] = {
    "decay": (lambda page: page.locator(lab.DECAY).press("ArrowLeft"), "decay"),
    "learning rate": (lambda page: page.locator(lab.RATE).press("ArrowLeft"), "learning_rate"),
    "switch": (switch, "switch_at"),
    "edit": (edit, "edits"),
    "data set": (change_data_set, "dataset"),
    "regulariser": (lambda page: page.locator(".st-key-regularisers").get_by_text("l1", exact=True).click(), "regularisers"),
}


@pytest.mark.parametrize("name", list(CHANGES))
def test_a_reload_restores_each_change(page: Page, name: str):
    change, setting = CHANGES[name]
    lab.open_page(page, "?seeds=2")
    before = lab.result(page)
    change(page)
    shown = lab.wait_for_change(page, before)
    page.wait_for_function("(setting) => new URLSearchParams(location.search).has(setting)", arg=setting)
    answer = page.locator(".wd-answer").inner_text()
    page.reload()
    page.wait_for_selector(lab.PAINTED)
    assert lab.result(page) == shown
    assert page.locator(".wd-answer").inner_text() == answer


@pytest.mark.parametrize(("name", "option"), [("Test points", "test_points"), ("High contrast", "contrast"), ("Present", "present")])
def test_a_reload_restores_each_option_of_the_view(page: Page, name: str, option: str):
    lab.open_page(page, "?seeds=1")
    before = lab.result(page)
    page.get_by_role("button", name=name).click()
    lab.wait_for_address(page, **{option: "1"})
    page.reload()
    page.wait_for_selector(lab.PAINTED)
    button = page.locator(".wd-tools").get_by_text(name)
    expect(button).to_have_attribute("aria-pressed", "true")
    assert lab.result(page) == before  # the view is no part of the experiment
    assert page.locator(".wd-stage").evaluate("(stage) => stage.dataset.theme === 'contrast'") == (option == "contrast")


def test_back_and_forward_lead_through_the_changes(page: Page):
    lab.open_page(page, "?seeds=1")
    results = [lab.result(page)]
    for key in ("ArrowLeft", "ArrowLeft"):
        results.append(lab.press(page, key))
        lab.wait_for_quiet(page)
    lab.wait_for_address(page, decay="0.7")
    for wanted, decay, move in ((1, "1", page.go_back), (0, "2", page.go_back), (1, "1", page.go_forward), (2, "0.7", page.go_forward)):
        move(wait_until="commit")
        page.wait_for_selector(f".wd-stage[data-result='{results[wanted]}'][data-status='']")
        expect(page.locator(".wd-typed").first).to_have_value(decay)
        expect(page.locator(lab.DECAY)).to_have_attribute("aria-valuetext", re.compile(rf"^decay {decay},"))


HOSTILE = {
    "numbers": "?decay=1e999&n_train=-1&seed=9e99&dataset=%3Cscript%3Ealert(1)%3C/script%3E&regularisers=__import__&steps=nan",
    "sizes": "?learning_rate=0&width=1000000&depth=-3&momentum=inf&batch_size=1e9&flip=NaN&decay=" + "9" * 4000,
    "too many points": "?dataset=iris&n_train=500&steps=50&seeds=1",
    "edits": "?seeds=1&edits=r0~%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E~a1e9_0_0",
    "edits of points that are not there": "?seeds=1&edits=r7~r499~a0_0_9",
    "edits of a projection": "?seeds=1&dataset=digits&n_train=20&edits=a0_0_1",
    "very long edits": "?seeds=1&edits=" + "~".join(["a1_1_0"] * 900),
    "switch": "?seeds=1&switch_at=-7&decay_after=1e400",
    "switch and more": "?seeds=1&switch_at=99999&decay_after=__class__",
    "view": "?seeds=1&present=%3Cscript%3Ealert(1)%3C/script%3E&contrast=2&test_points=",
}


@pytest.mark.parametrize("name", list(HOSTILE))
def test_hostile_addresses_leave_a_working_page_with_a_note(page: Page, name: str):
    dialogs: list[str] = []

    def on_dialog(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", on_dialog)
    lab.open_page(page, HOSTILE[name])
    expect(page.locator(".wd-notes")).not_to_be_empty()
    note = page.locator(".wd-notes").inner_text()
    assert len(note) < 2000
    assert lab.trouble(page) == 0
    assert page.evaluate("probes.tooWide()") == 0
    lab.press(page, "ArrowLeft")
    lab.wait_for_quiet(page)
    assert dialogs == []
    page.remove_listener("dialog", on_dialog)


def test_a_note_on_the_address_goes_with_the_next_change(page: Page):
    lab.open_page(page, "?seeds=1&decay=much")
    expect(page.get_by_role("alert").filter(has_text="decay is 'much'")).to_be_visible()
    lab.press(page, "ArrowLeft")
    lab.wait_for_quiet(page)
    expect(page.locator(".wd-notes")).to_be_empty()


def test_the_address_is_shared_as_a_link_and_as_a_code(page: Page):
    lab.open_page(page, "?seeds=1&decay=0.5")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Share").click()
    dialog = page.get_by_role("dialog", name="Share what you see")
    expect(dialog).to_be_visible()
    expect(dialog.get_by_label("Address of this page")).to_have_value(page.url)
    dialog.get_by_role("button", name="Copy link").click()
    expect(dialog.get_by_role("status")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == page.url
    page.wait_for_function("() => document.querySelector('.wd-qr').naturalWidth > 0")
    expect(dialog.get_by_alt_text("QR code of this page's address")).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.get_by_role("button", name="Share")).to_be_focused()


def test_without_a_clipboard_it_says_what_to_press(page: Page):
    lab.open_page(page, "?seeds=1")
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('no')); document.execCommand = () => false; }")
    page.get_by_role("button", name="Share").click()
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("dialog").get_by_role("status")).to_have_text("Press Ctrl+C to copy")
    assert page.evaluate("getSelection().toString() || document.activeElement.value") == page.url


def test_a_newer_address_is_shared_after_a_change(page: Page):
    lab.open_page(page, "?seeds=1")
    for decay in ("1", "0.7"):
        lab.press(page, "ArrowLeft")
        lab.wait_for_address(page, decay=decay)
        page.get_by_role("button", name="Share").click()
        expect(page.get_by_label("Address of this page")).to_have_value(page.url)
        assert f"decay%3D{decay}" in (page.locator(".wd-qr").get_attribute("src") or "")
        page.get_by_role("button", name="Close").click()
