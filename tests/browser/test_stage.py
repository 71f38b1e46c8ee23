"""The stage changes in place: by keys, under the hand, by typing, and while a recorded training plays."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from playwright.sync_api import Page, expect

from tests.browser import lab
from wdviz.settings import DECAYS, Settings

SLIDER_EDGE = 10  # half a thumb: where its middle is at the first and the last value
COLLECT = """() => {
  window.pictures = new Set();
  document.addEventListener("wd:frame", () => pictures.add(probes.picture("[data-panel=with] .wd-map")));
}"""
# The hand on the decay, and its release.
HAND = """() => {
  const range = document.querySelector("#wd-decay");
  range.dispatchEvent(new PointerEvent("pointerdown", { bubbles: true }));
  window.hand = (at) => { range.value = at; range.dispatchEvent(new Event("input", { bubbles: true })); };
  window.release = () => range.dispatchEvent(new PointerEvent("pointerup", { bubbles: true }));
}"""
# Where the first map is, and how many lines the answer takes.
PLACE = """() => {
  const [answer, words] = [document.querySelector(".wd-answer"), document.createRange()];
  words.selectNodeContents(answer);
  const lines = Math.round(words.getBoundingClientRect().height / parseFloat(getComputedStyle(answer).lineHeight));
  return [document.querySelector("[data-panel=without] .wd-figure").getBoundingClientRect().top, lines];
}"""
LINES = """(name) => {
  const trace = document.querySelector("[data-panel=curves] .js-plotly-plot").data.find((trace) => trace.name === name);
  return [...trace.x].map((x, i) => [x, trace.y[i]]);
}"""


def test_fifty_updates_replace_nothing_and_blank_nothing(page: Page):
    lab.open_page(page, "?seeds=1")
    page.evaluate("probes.watch()")
    updates = int(page.locator(".wd-stage").get_attribute("data-updates") or 0)
    seen = {lab.result(page)}
    for key in ["ArrowLeft"] * 20 + ["ArrowRight"] * 26 + ["ArrowLeft"] * 4:
        seen.add(lab.press(page, key))
    assert len(seen) == 27
    assert int(page.locator(".wd-stage").get_attribute("data-updates") or 0) >= updates + 50
    watched = page.evaluate("probes.seen()")
    assert watched["frames"] > 50
    assert watched["nodes"] >= 5 * 6
    assert watched["maps"] == 2
    assert (watched["lost"], watched["added"], watched["blank"]) == (0, 0, 0)


def test_pictures_follow_the_hand_and_only_the_last_value_stays(page: Page, visit):
    lab.open_page(page, "?seed=8101")
    lab.wait_for_quiet(page)
    start = lab.diary(page)
    address = page.url
    box = page.locator(lab.DECAY).bounding_box()
    assert box

    def hand_to(at: int) -> None:
        share = at / (len(DECAYS) - 1)
        page.mouse.move(box["x"] + SLIDER_EDGE + share * (box["width"] - 2 * SLIDER_EDGE), box["y"] + box["height"] / 2)

    hand_to(lab.DEFAULT_DECAY)
    page.mouse.down()
    for at in (20, 18, 16, 14, 12, 10, 9, 8):
        count = len(set(lab.diary(page)["sketched"]))
        hand_to(at)
        page.wait_for_function("(count) => new Set(probes.diary.sketched).size > count", arg=count)
    hand_to(6)
    expect(page.locator("[data-panel=with] .wd-title")).to_have_text(f"With decay {DECAYS[6]:g}")
    lab_now = page.wait_for_function(
        "() => { const { painted, sketched } = probes.diary; return painted.at(-1)[0] === sketched.at(-1) && probes.diary }"
    )
    held = lab_now.json_value()
    painted = held["painted"][len(start["painted"]) :]
    assert len(set(held["sketched"]) - set(start["sketched"])) >= 8
    assert {status for _, status in painted} == {"1 seed of 5"}
    expect(page.locator(".wd-answer")).to_contain_text("(1 seed)")
    asks = held["asks"][len(start["asks"]) :]
    assert all(ask["live"] and not ask.get("more") for ask in asks)
    assert held["addresses"] == start["addresses"]
    assert page.url == address

    page.mouse.up()
    lab.wait_for_address(page, decay=f"{DECAYS[6]:g}")
    lab.wait_for_quiet(page)
    expect(page.locator(".wd-answer")).to_contain_text("over 5 seeds)")
    after = lab.diary(page)
    assert after["crowded"] == 0
    assert len(after["addresses"]) == len(start["addresses"]) + 1  # none of the values in between
    fresh = visit()
    fresh.goto(page.url)
    fresh.wait_for_selector(lab.PAINTED)
    assert lab.result(fresh) == lab.result(page)


def test_under_the_hand_the_pictures_do_not_move_up_where_words_take_fewer_lines(visit):
    page = visit(1200, 800)
    lab.open_page(page, "?seeds=1&present=1")
    lab.wait_for_quiet(page)
    page.evaluate(HAND)
    tops, lines = [], []
    for decay in (0.007, 30, 0.7, 0, Settings().decay):
        before = lab.result(page)
        page.evaluate("(at) => hand(at)", DECAYS.index(decay))
        lab.wait_for_change(page, before)
        top, count = page.evaluate(PLACE)
        tops.append(top)
        lines.append(count)
    assert lines[-1] < max(lines)  # else nothing could move
    assert tops == sorted(tops)
    page.evaluate("release()")
    page.wait_for_function("() => document.querySelector('.wd-answer').style.minHeight === ''")


def test_a_hand_faster_than_the_server_still_ends_on_its_last_value(page: Page, visit):
    lab.open_page(page, "?seed=8110&seeds=2")
    # Within one task: no answer can come between.
    page.evaluate(
        """() => {
          const range = document.querySelector("#wd-decay");
          range.dispatchEvent(new PointerEvent("pointerdown", { bubbles: true }));
          for (let at = 21; at >= 3; at -= 1) { range.value = at; range.dispatchEvent(new Event("input", { bubbles: true })); }
          range.dispatchEvent(new PointerEvent("pointerup", { bubbles: true }));
        }"""
    )
    lab.wait_for_address(page, decay=f"{DECAYS[3]:g}")
    lab.wait_for_quiet(page)
    now = lab.diary(page)
    assert now["crowded"] == 0
    # Of the values in between the first was asked for at once, the others were overtaken.
    assert [ask["put"]["decay"] for ask in now["asks"] if ask["put"]] == [f"{DECAYS[21]:g}", f"{DECAYS[3]:g}"]
    fresh = visit()
    lab.open_page(fresh, f"?seed=8110&seeds=2&decay={DECAYS[3]:g}")
    assert lab.result(fresh) == lab.result(page)


def test_a_value_can_be_typed(page: Page):
    lab.open_page(page, "?seeds=1")
    slider, typed, notes = page.locator(lab.DECAY), page.get_by_label("Weight decay, typed"), page.locator(".wd-notes")
    expect(typed).to_have_class("wd-typed")
    before = lab.result(page)
    typed.fill("0.5")
    typed.press("Enter")
    half = lab.wait_for_change(page, before)
    lab.wait_for_address(page, decay="0.5")
    expect(slider).to_have_value(str(DECAYS.index(0.5)))
    expect(slider).to_have_attribute("aria-valuetext", re.compile(r"^decay 0\.5, shrinks weights by 1\.5 % per step"))

    typed.fill("abc")
    typed.press("Enter")
    expect(notes).to_contain_text("'abc'")
    expect(notes).to_contain_text("Nothing was changed")
    assert (lab.result(page), lab.query(page)["decay"]) == (half, "0.5")
    expect(typed).to_have_value("0.5")

    typed.fill("1e9")
    typed.press("Enter")
    lab.wait_for_change(page, half)
    expect(notes).to_contain_text("100 is used")
    lab.wait_for_address(page, decay="100")
    expect(slider).to_have_value(str(len(DECAYS) - 1))

    typed.fill("0,02")  # a comma, as many a keyboard has it
    typed.press("Enter")
    lab.wait_for_address(page, decay="0.02")
    expect(notes).to_be_empty()


# --- playback -----------------------------------------------------------------------------------------------------------------------


@contextmanager
def received(page: Page) -> Iterator[list[int]]:
    """A list to which the size of each message from the server is added meanwhile."""
    sizes: list[int] = []
    session = page.context.new_cdp_session(page)
    session.on("Network.webSocketFrameReceived", lambda event: sizes.append(len(event["response"]["payloadData"])))
    session.send("Network.enable")
    yield sizes
    session.detach()


def step(page: Page) -> int:
    return int(page.locator(".wd-stage").get_attribute("data-step") or -1)


def exact_step(page: Page) -> float:
    """While it plays, what is shown lies between two steps."""
    return page.evaluate("probes.diary.steps.at(-1)[1]")


def wait_past(page: Page, at: int) -> int:
    """The step on the screen, once it is later than this."""
    return page.wait_for_function(
        "(at) => { const n = +document.querySelector('.wd-stage').dataset.step; return n > at && n }", arg=at
    ).json_value()


def test_a_training_plays_without_the_server_and_ends_on_the_same_picture(page: Page):
    lab.open_page(page)
    final = {panel: lab.picture(page, panel) for panel in lab.MAPS}
    tag = page.locator("[data-panel=with] .wd-tag")
    verdict = tag.inner_text()
    page.get_by_label("speed").select_option("0.25")  # so that three pictures are seen before the end, however slow the browser is
    page.locator("h1").click()
    page.keyboard.press("Space")
    wait_past(page, 0)
    expect(page.get_by_role("button", name="Pause (space)")).to_be_visible()
    pictures = {panel: set() for panel in lab.MAPS}
    at = 0
    with received(page) as sizes:
        while len(pictures["with"]) < 3:
            at = wait_past(page, at)
            for panel, seen in pictures.items():
                seen.add(lab.picture(page, panel))
        assert len(pictures["without"]) >= 3
        expect(tag).to_contain_text("at step")
        page.get_by_label("speed").select_option("4")
        page.wait_for_selector(".wd-stage:not([data-step])")  # it has come to its end
        expect(page.get_by_role("button", name="Play (space)")).to_be_visible()
    assert sizes == []
    assert {panel: lab.picture(page, panel) for panel in lab.MAPS} == final
    expect(tag).to_have_text(verdict)
    expect(page.locator(".wd-over:visible")).to_have_count(0)
    assert len([ask for ask in lab.diary(page)["asks"] if ask.get("film")]) == 1


def test_space_pauses_and_the_arrows_go_from_frame_to_frame(page: Page):
    lab.open_page(page, "?seeds=1")
    page.locator("h1").click()
    page.keyboard.press("Space")
    wait_past(page, 5)
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Play (space)")).to_be_visible()
    paused, shown = exact_step(page), lab.picture(page, "with")
    page.evaluate("() => new Promise((done) => { let n = 10; const next = () => (n-- ? requestAnimationFrame(next) : done()); next(); })")
    assert (exact_step(page), lab.picture(page, "with")) == (paused, shown)

    frames = [x for x, _ in page.evaluate(LINES, "train loss, with decay")]
    first, second = [frame for frame in frames if frame > paused][:2]
    for key, frame in (("ArrowRight", first), ("ArrowRight", second), ("ArrowLeft", first)):
        page.keyboard.press(key)
        page.wait_for_function("(frame) => probes.diary.steps.at(-1)[1] === frame", arg=frame)
        expect(page.locator(".wd-step")).to_have_text(f"step {frame} of 600")

    scrub = page.locator(".wd-scrub")
    scrub.focus()
    page.keyboard.press("Home")
    page.wait_for_selector(".wd-stage[data-step='0']")
    page.keyboard.press("ArrowRight")  # on the scrubber: by one step, not by one frame
    page.wait_for_selector(".wd-stage[data-step='1']")
    expect(scrub).to_have_attribute("aria-valuetext", "step 1 of 600")
    page.keyboard.press("End")
    page.wait_for_selector(".wd-stage:not([data-step])")


def test_the_speed_is_what_it_says(page: Page):
    lab.open_page(page, "?seeds=1")
    speeds = {}
    for speed in ("0.25", "1"):
        page.get_by_label("speed").select_option(speed)
        page.get_by_role("button", name="Play (space)").click()
        wait_past(page, 3)
        count = len(lab.diary(page)["steps"])
        # Ten frames, or half a second of fewer: a busy browser may show few before the end.
        page.wait_for_function(
            "(count) => { const s = probes.diary.steps.slice(count); return s.length > 10 || s.at(-1)?.[0] - s[0]?.[0] > 500; }",
            arg=count,
        )
        page.get_by_role("button", name="Pause (space)").click()
        (since, start), (until, end) = (lab.diary(page)["steps"][k] for k in (count, -1))
        speeds[speed] = (np.sqrt(end / 600) - np.sqrt(start / 600)) / (until - since)  # it is slow at the start
    np.testing.assert_allclose(speeds["1"] / speeds["0.25"], 4, rtol=0.25)


def test_reduced_motion_goes_from_whole_frame_to_whole_frame(visit):
    page = visit(reduced_motion="reduce")
    lab.open_page(page, "?seeds=1")
    page.evaluate(COLLECT)
    page.get_by_label("speed").select_option("4")
    page.get_by_role("button", name="Play (space)").click()
    page.wait_for_function("() => window.pictures.size >= 5")
    page.get_by_role("button", name="Pause (space)").click()
    played, last = set(page.evaluate("[...pictures]")), step(page)
    page.locator(".wd-scrub").press("Home")
    whole = {lab.picture(page, "with")}
    page.locator("h1").click()
    at = 0
    while at <= last + 1:
        page.keyboard.press("ArrowRight")
        at = wait_past(page, at)
        whole.add(lab.picture(page, "with"))
    assert played <= whole


def test_decay_can_change_in_the_middle_of_a_training(page: Page):
    lab.open_page(page, "?seeds=1")
    name = "train loss, with decay"
    plain, before = page.evaluate(LINES, name), lab.result(page)
    here = page.get_by_role("button", name="Change decay from here")
    expect(here).to_be_disabled()
    lab.film(page, 297)
    here.click()
    lab.wait_for_change(page, before)
    lab.wait_for_address(page, switch_at="300")
    after = page.get_by_role("slider", name="Decay from step 300")
    expect(after).to_have_value("0")
    expect(page.locator("[data-panel=curves] .annotation-text").filter(has_text="decay 0")).to_be_visible()
    expect(page.locator(".wd-switcher")).to_contain_text("decay 0 from step 300")
    lab.press(page, "End", "#wd-decay_after")
    lab.wait_for_address(page, switch_at="300", decay_after="100")
    lab.press(page, "Home", "#wd-decay_after")
    switched = page.evaluate(LINES, name)
    assert [x for x, _ in switched] == [x for x, _ in plain]
    assert [point for point in switched if point[0] <= 300] == [point for point in plain if point[0] <= 300]
    assert [y for x, y in switched if x > 300] != [y for x, y in plain if x > 300]

    page.get_by_role("button", name="Remove the change of decay").click()
    page.wait_for_selector(f".wd-stage[data-result='{before}']")
    lab.wait_for_address(page, switch_at="", decay_after="")
    expect(after).to_have_count(0)
    expect(page.locator("[data-panel=curves] .annotation-text").filter(has_text="decay 0")).to_have_count(0)
    assert page.evaluate(LINES, name) == plain
