"""The film and pictures of README.md: `python -m tests.browser.film` drives the real app in Chromium and writes them to assets/.

Every picture is the app's own, taken once it is painted; only the film's pace is set here.
"""

from __future__ import annotations

import io
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image, ImageDraw
from playwright.sync_api import Page, sync_playwright

from tests.browser import chromium, lab
from tests.serving import ROOT, serve
from wdviz.settings import DECAYS

ASSETS = ROOT / "assets"
FILM = ASSETS / "wdviz.gif"
PICTURES = ("tuning", "learning-rate", "combinations", "architectures")  # pages
DESK = (1440, 900)  # the window for these, in CSS pixels
WINDOW, SHOWN = (1280, 920), (860, 618)  # CSS pixels of the page; pixels of the film
COLOURS = 224
FRAME_MS, SWEEP_MS, HOLD_MS = 150, 120, 1300
PLAYED = 26  # frames of the training
THUMB_PX = 20  # of the slider, whose ends it does not leave
WAIT_MS = 600_000  # the maps are some hundred networks, on a machine that may be busy
ARROW = ((0, 0), (0, 17), (4, 13), (7, 20), (10, 19), (7, 12), (12, 12))  # a pointer, which screenshots leave out
ANSWERED = "(before) => probes.diary.asks.length > before && probes.diary.answered >= probes.diary.asks.at(-1).id"


@dataclass
class Reel:
    """Frames, and for how many milliseconds each is shown."""

    page: Page
    frames: list[Image.Image] = field(default_factory=list)
    times: list[int] = field(default_factory=list)

    def take(self, milliseconds: int, pointer: tuple[float, float]) -> None:
        frame = Image.open(io.BytesIO(self.page.screenshot())).convert("RGB")
        outline = [(pointer[0] + 1.3 * x, pointer[1] + 1.3 * y) for x, y in ARROW]
        ImageDraw.Draw(frame).polygon(outline, fill="white", outline="black", width=2)
        self.frames.append(frame.resize(SHOWN, Image.Resampling.LANCZOS))
        self.times.append(milliseconds)

    def save(self, target: Path) -> None:
        """All frames with one palette and no dithering, so that what does not change takes no space."""
        height = SHOWN[1] // 4
        sheet = Image.new("RGB", (SHOWN[0], height * len(self.frames)))
        for at, frame in enumerate(self.frames):
            sheet.paste(frame.resize((SHOWN[0], height)), (0, height * at))
        palette = sheet.quantize(COLOURS, Image.Quantize.MEDIANCUT)
        first, *others = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in self.frames]
        first.save(target, save_all=True, append_images=others, duration=self.times, loop=0, optimize=True, disposal=1)


def drag(reel: Reel, start: float, *stops: float) -> None:
    """Takes the decay slider from one value along others, and holds at each of them."""
    page = reel.page
    slider = page.locator(lab.DECAY)

    def place(at: int) -> tuple[float, float]:
        box = slider.bounding_box()
        assert box
        return box["x"] + THUMB_PX / 2 + (box["width"] - THUMB_PX) * at / (len(DECAYS) - 1), box["y"] + box["height"] / 2

    last = DECAYS.index(start)
    page.mouse.move(*place(last))
    reel.take(HOLD_MS, place(last))
    page.mouse.down()
    for stop in map(DECAYS.index, stops):
        way = 1 if stop > last else -1
        for at in range(last + way, stop + way, way):
            asked = page.evaluate("probes.diary.asks.length")
            page.mouse.move(*place(at))
            page.wait_for_function(ANSWERED, arg=asked)
            assert slider.input_value() == str(at), (slider.input_value(), at)
            reel.take(FRAME_MS, place(at))
        last, reel.times[-1] = stop, HOLD_MS
    page.mouse.up()
    lab.wait_for_quiet(page)


def play(reel: Reel) -> None:
    """The training from its start to its end, at the checkpoints that were recorded."""
    page = reel.page
    button = page.get_by_role("button", name="Play (space)")
    box = button.bounding_box()
    assert box
    hand = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    button.click()
    page.wait_for_selector(".wd-stage[data-step]")
    steps = int(page.locator(".wd-scrub").get_attribute("max") or 0)
    for k in range(PLAYED):
        lab.film(page, round(steps * (k / PLAYED) ** 2))  # spaced as the player does
        reel.take(SWEEP_MS, hand)
    page.locator(".wd-scrub").fill(str(steps))
    page.wait_for_selector(".wd-stage:not([data-step])")
    reel.take(2 * HOLD_MS, hand)


def picture(page: Page, name: str) -> None:
    """The upper part of a page as it opens, with all seeds."""
    lab.open_page(page, name)
    whole = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    whole.quantize(COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(ASSETS / f"{name}.png", optimize=True)


def main() -> None:
    """Write all of them, and say how large and long the film is."""
    with (
        tempfile.TemporaryFile() as log,
        serve(log) as (url, _),
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=chromium.find(), args=chromium.FLAGS) as browser,
    ):
        context = browser.new_context(base_url=url, viewport={"width": WINDOW[0], "height": WINDOW[1]})
        context.set_default_timeout(WAIT_MS)
        context.add_init_script(lab.PROBES)
        reel = Reel(context.new_page())
        lab.open_page(reel.page, "?present=1&decay=0.1")
        drag(reel, 0.1, 30.0, 2.0)
        play(reel)
        reel.save(FILM)
        reel.page.set_viewport_size({"width": DESK[0], "height": DESK[1]})
        for name in PICTURES:
            picture(reel.page, name)
    seconds, size = sum(reel.times) / 1000, FILM.stat().st_size / 1e6
    print(f"{FILM.relative_to(ROOT)}: {len(reel.frames)} frames, {seconds:.1f} s, {size:.2f} MB")


if __name__ == "__main__":
    main()
