"""What assets/map.js, assets/film.js and assets/theme.js draw, against closed forms and NumPy; no server is needed."""

import base64
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import plotly
import pytest
from playwright.sync_api import Browser, Route

ASSETS = Path(__file__).parents[2] / "assets"
PLOTLY = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
COLOURS = ["#5e3c99", "#e08214", "#1b8a8a", "#8c510a", "#4d4d4d", "#c51b7d", "#5d9a1f", "#2166ac", "#8a7fc4", "#a89000"]
PALE = (253, 252, 250)
FINE = 4
SIZE = 24  # values along a side of most maps here

# Helpers in the page. A map covers the plane from grid point 0 to the last one.
HELPERS = """
import * as map from "./map.js";
import * as film from "./film.js";
import { themedLayout } from "./theme.js";
const theme = { pale: "#fdfcfa", ink: "#20242c", paper: "#ffffff", scale: 1 };
const rgb = (colour) => [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16));
const bytes = (rows) => Object.assign(Uint8Array.from(rows.flat()), { shape: [rows.length, rows[0].length] });
const trace = (rows, colors) => ({
  z: bytes(rows), x0: 0, dx: 1, y0: 0, dy: 1, meta: { kind: "decision", colors, levels: Math.floor(256 / colors.length) },
});
const pixels = (canvas) => {
  const { width, height } = canvas;
  const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
  let text = ""; // Playwright is slow with long lists
  for (let k = 0; k < data.length; k += 4096) text += String.fromCharCode(...data.subarray(k, k + 4096));
  return { width, height, data: btoa(text) };
};
const drawn = (it) => ({ ...pixels(it.picture), segments: Array.from(it.segments.subarray(0, it.count)) });
const newCanvas = () => {
  const canvas = document.createElement("canvas");
  canvas.style.position = "absolute";
  document.body.append(canvas);
  return canvas;
};
const layout = (x, y) => ({ margin: { l: 50, r: 10, t: 10, b: 40 }, xaxis: x, yaxis: y });
const expected = (x, y) => map.expectedAxes({ clientWidth: 460, clientHeight: 250 }, layout(x, y));
const placed = (canvas) => ({ ...pixels(canvas), left: parseFloat(canvas.style.left), top: parseFloat(canvas.style.top) });
Object.assign(window, { map, film, themedLayout, theme, rgb, bytes, trace, drawn, newCanvas, layout, expected, placed });
"""
SHOW = "([z, colors]) => { const m = map.newMap(trace(z, colors), theme, rgb); map.show(m, bytes(z)); return drawn(m); }"
BLEND = """([a, b, times, colors]) => {
  const m = map.newMap(trace(a, colors), theme, rgb);
  return times.map((t) => { map.blend(m, bytes(a), bytes(b), t); return { ...drawn(m), margin: [...m.margin], leader: [...m.leader] }; });
}"""

Evaluate = Callable[[str, Any], Any]


@pytest.fixture(scope="module")
def evaluate(browser: Browser) -> Iterator[Evaluate]:
    """Calls a JavaScript function in a page that has these modules."""
    context = browser.new_context(viewport={"width": 800, "height": 600})
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))

    def serve(route: Route) -> None:
        name = route.request.url.rsplit("/", 1)[-1]
        if name == "helpers.js":
            route.fulfill(body=HELPERS, content_type="text/javascript")
        elif name == "plotly.js":
            route.fulfill(path=PLOTLY, content_type="text/javascript")
        elif name.endswith(".js"):
            route.fulfill(path=ASSETS / name, content_type="text/javascript")
        else:
            route.fulfill(body='<!doctype html><script type="module" src="helpers.js"></script>', content_type="text/html; charset=utf-8")

    page.route("http://drawing.test/**", serve)
    page.goto("http://drawing.test/")
    page.wait_for_function("() => window.film")
    yield page.evaluate
    context.close()
    assert not problems


def encode(signed: np.ndarray) -> list[list[int]]:
    """A map of two classes from margins between -1 (class 0) and 1 (class 1)."""
    return ((signed > 0) * 128 + np.round(np.clip(np.abs(signed), 0, 1) * 127)).astype(int).tolist()


def scores(classes: int, seed: int = 0) -> np.ndarray:
    """(SIZE, SIZE) values of a smooth map of many classes."""
    rng = np.random.default_rng(seed)
    x, y = np.meshgrid(np.linspace(-1, 1, SIZE), np.linspace(-1, 1, SIZE))
    score = [np.sin(a * x + b * y + c) for a, b, c in rng.normal(0, 3, (classes, 3))]
    levels = 256 // classes
    ordered = np.sort(score, axis=0)
    return np.argmax(score, axis=0) * levels + np.round(np.clip(ordered[-1] - ordered[-2], 0, 1) * (levels - 1)).astype(int)


def picture(result: dict[str, Any]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(result["data"]), np.uint8).reshape(result["height"], result["width"], 4)


def segments(result: dict[str, Any]) -> np.ndarray:
    """(segments, 2 ends, x and y) in grid points."""
    return np.array(result["segments"], float).reshape(-1, 2, 2)


def reference(z: np.ndarray, classes: int) -> np.ndarray:
    """The picture as it is defined: each class's margin is interpolated, then the leader is shaded by its lead over the next."""
    levels = 256 // classes
    at = np.clip((np.arange(SIZE * FINE) + 0.5) / FINE - 0.5, 0, SIZE - 1)
    weights = np.maximum(0, 1 - np.abs(at[:, None] - np.arange(SIZE)))
    margins = np.where(z // levels == np.arange(classes)[:, None, None], z % levels / (levels - 1) * 255, 0.0)
    fields = weights @ margins @ weights.T
    ordered = np.sort(fields, axis=0)
    shade = (np.round(ordered[-1] - ordered[-2]) / 255)[..., None] ** 0.9
    colours = np.array([[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in COLOURS[:classes]])
    return np.round(PALE + (colours[fields.argmax(0)] - PALE) * shade)


# --- the map ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_the_picture_is_bilinear_in_the_margins(evaluate: Evaluate, classes: int) -> None:
    z = scores(classes)
    found = picture(evaluate(SHOW, [z.tolist(), COLOURS[:classes]]))
    assert (found[..., 3] == 255).all()
    off = np.abs(found[..., :3].astype(int) - reference(z, classes)).max(-1)
    assert off.max() <= 4  # a margin that rounds to the neighbouring shade, where the shades are steepest
    assert (off > 0).mean() < 0.02


@pytest.mark.parametrize("classes", [2, 5])
def test_a_blend_begins_and_ends_with_its_frames(evaluate: Evaluate, classes: int) -> None:
    a, b = scores(classes).tolist(), scores(classes, seed=1).tolist()
    start, end = evaluate(BLEND, [a, b, [0, 1], COLOURS[:classes]])
    for frame, found in ((a, start), (b, end)):
        alone = evaluate(SHOW, [frame, COLOURS[:classes]])
        assert found["data"] == alone["data"]
        assert found["segments"] == alone["segments"]


def test_a_blend_moves_steadily_from_class_to_class(evaluate: Evaluate) -> None:
    a, b = scores(2), scores(2, seed=1)
    times = np.linspace(0, 1, 21)
    frames = evaluate(BLEND, [a.tolist(), b.tolist(), times.tolist(), COLOURS[:2]])
    signed = np.array([np.where(np.array(f["leader"]) == 1, 1, -1) * np.array(f["margin"]) / 255 for f in frames])
    flips = (a // 128 != b // 128).ravel()
    assert flips.sum() > SIZE
    ends = [np.where(z // 128 == 1, 1, -1) * (z % 128) / 127 for z in (a, b)]
    line = (1 - times)[:, None] * ends[0].ravel() + times[:, None] * ends[1].ravel()
    np.testing.assert_allclose(signed, line, atol=1e-5)
    changes = (np.diff(np.array([f["leader"] for f in frames]), axis=0) != 0).sum(0)
    np.testing.assert_array_equal(changes, flips)  # once where the class flips, never elsewhere


def test_the_boundary_of_a_half_plane_is_its_line(evaluate: Evaluate) -> None:
    i, j = np.meshgrid(np.arange(SIZE), np.arange(SIZE))
    signed = (i + 0.5 * j - 16.3) / 127
    found = segments(evaluate(SHOW, [encode(signed), COLOURS[:2]]))
    inside = found[(found.min(axis=(1, 2)) >= 0) & (found.max(axis=(1, 2)) <= SIZE - 1)]
    x, y = inside.reshape(-1, 2).T
    assert len(inside) >= SIZE - 2
    np.testing.assert_allclose(x + 0.5 * y, 16.3, atol=0.4)  # margins are whole levels, and here a level is a grid step
    assert found[..., 1].min() == -0.5  # it reaches the rim
    assert found[..., 1].max() == SIZE - 0.5


def test_the_boundary_of_a_disc_is_its_circle(evaluate: Evaluate) -> None:
    i, j = np.meshgrid(np.arange(SIZE), np.arange(SIZE))
    centre, radius = (11.3, 12.1), 7.7
    signed = (radius - np.hypot(i - centre[0], j - centre[1])) / 12
    ends = segments(evaluate(SHOW, [encode(signed), COLOURS[:2]]))
    away = np.abs(np.hypot(*(ends - centre).reshape(-1, 2).T) - radius)
    assert away.max() < 0.1
    length = np.hypot(*np.diff(ends, axis=1)[:, 0].T).sum()
    assert length == pytest.approx(2 * np.pi * radius, rel=0.01)
    _, times = np.unique(ends.reshape(-1, 2).round(4), axis=0, return_counts=True)
    assert (times % 2 == 0).all()  # closed; more than two meet where it passes through a grid point


def test_a_blend_moves_the_boundary(evaluate: Evaluate) -> None:
    """Halfway between two half planes lies the boundary halfway."""
    i = np.arange(SIZE) * np.ones((SIZE, 1))
    a, b = encode((i - 8.0) / 40 + 1e-9), encode((i - 14.0) / 40 + 1e-9)
    (found,) = evaluate(BLEND, [a, b, [0.5], COLOURS[:2]])
    np.testing.assert_allclose(segments(found)[..., 0], 11.0, atol=0.35)


@pytest.mark.parametrize("value", [0, 127, 128, 255])
def test_one_class_has_no_boundary(evaluate: Evaluate, value: int) -> None:
    found = evaluate(SHOW, [np.full((SIZE, SIZE), value).tolist(), COLOURS[:2]])
    assert found["segments"] == []
    assert len(np.unique(picture(found).reshape(-1, 4), axis=0)) == 1


@pytest.mark.parametrize(("cell", "ends"), [([[0, 0], [1, 2]], 3), ([[0, 1], [2, 3]], 4), ([[0, 1], [1, 0]], 4)])
def test_where_classes_meet_the_boundary_is_a_star(evaluate: Evaluate, cell: list[list[int]], ends: int) -> None:
    classes = int(np.max(cell)) + 1
    levels = 256 // classes
    z = np.kron(np.array(cell), np.ones((3, 3), int)) * levels + levels - 1
    found = segments(evaluate(SHOW, [z.tolist(), COLOURS[:classes]]))
    centre = np.isclose(found, (2.5, 2.5), atol=0.2).all(-1).any(-1)
    assert centre.sum() == ends
    assert len({tuple(end) for end in found[centre, 1]}) == 1


def test_the_map_lies_under_the_axes(evaluate: Evaluate) -> None:
    """A half plane's boundary, placed: its pixels are where the axes say, and a second placing leaves the same picture."""
    signed = (np.arange(SIZE) - 9.5) / 20 * np.ones((SIZE, 1))
    code = """([z, colors, size]) => [false, true, true].map((quick) => {
      window.kept ??= newCanvas();
      const m = map.newMap(trace(z, colors), theme, rgb);
      map.show(m, bytes(z));
      map.place(kept, m, expected({ range: [0, size - 1] }, { range: [0, size - 1] }), quick);
      return placed(kept);
    })"""
    calm, quick, again = evaluate(code, [encode(signed), COLOURS[:2], SIZE])
    assert (calm["left"], calm["top"], calm["width"], calm["height"]) == (50, 10, 400, 200)
    row = picture(calm)[100, :, :3].astype(int)
    ink = np.flatnonzero((np.abs(row - (0x20, 0x24, 0x2C)) < 12).all(-1))
    assert ink.mean() + 0.5 == pytest.approx(9.5 / (SIZE - 1) * 400, abs=1)
    assert tuple(picture(calm)[100, 0, :3]) < tuple(picture(calm)[100, -1, :3])  # purple to the left, orange to the right
    assert np.abs(picture(calm).astype(int) - picture(quick)).mean() < 2
    assert again["data"] == quick["data"]


def test_a_sketched_mark_has_its_class_s_shape(evaluate: Evaluate) -> None:
    """Each symbol fills what Plotly's symbol of that name fills."""
    code = """async ([symbols, url]) => {
      await new Promise((resolve) => {
        document.head.append(Object.assign(document.createElement("script"), { src: url, onload: resolve }));
      });
      const traces = symbols.map((symbol, k) => ({
        x: [k], y: [0], mode: "markers", marker: { symbol, size: 30, color: "#000000", line: { width: 0, color: "#000000" } },
      }));
      const axes = map.expectedAxes({ clientWidth: 600, clientHeight: 100 }, {
        margin: { l: 0, r: 0, t: 0, b: 0 }, xaxis: { range: [-0.5, symbols.length - 0.5] }, yaxis: { range: [-1, 1] },
      });
      const ours = newCanvas();
      map.over(ours, axes);
      map.dots(ours, axes, traces.map((trace) => ({ ...trace, marker: { ...trace.marker, line: { width: 1e-6, color: "#000000" } } })));
      const axis = { visible: false, fixedrange: true };
      const image = await Plotly.toImage({ data: traces, layout: {
        width: 600, height: 100, margin: { l: 0, r: 0, t: 0, b: 0 }, showlegend: false, paper_bgcolor: "rgba(0,0,0,0)",
        plot_bgcolor: "rgba(0,0,0,0)", xaxis: { ...axis, range: [-0.5, symbols.length - 0.5] }, yaxis: { ...axis, range: [-1, 1] },
      } }, { format: "png", scale: 1 });
      const theirs = newCanvas();
      Object.assign(theirs, { width: 600, height: 100 });
      const decoded = Object.assign(new Image(), { src: image });
      await decoded.decode();
      theirs.getContext("2d").drawImage(decoded, 0, 0);
      return [placed(ours), placed(theirs)];
    }"""
    symbols = ["circle", "diamond", "square", "triangle-up", "cross", "x", "star", "triangle-down", "pentagon", "hexagon"]
    ours, theirs = (picture(result)[..., 3].astype(float) / 255 for result in evaluate(code, [symbols, "http://drawing.test/plotly.js"]))
    for k, symbol in enumerate(symbols):
        column = slice(k * 60, k * 60 + 60)
        assert ours[:, column].sum() > 300, symbol
        assert np.abs(ours - theirs)[:, column].sum() < 0.04 * theirs[:, column].sum(), symbol


# --- the film ---------------------------------------------------------------------------------------------------------------------


def test_at_finds_the_frames_around_a_step(evaluate: Evaluate) -> None:
    code = "([steps, all]) => all.map((step) => film.at(Int32Array.from(steps), step))"
    rng = np.random.default_rng(3)
    for count in (2, 3, 17, 200):
        steps = np.cumsum(rng.integers(1, 30, count))
        wanted = np.concatenate([steps, rng.uniform(steps[0] - 20, steps[-1] + 20, 100)])
        found = np.array(evaluate(code, [steps.tolist(), wanted.tolist()]))
        index = np.clip(np.searchsorted(steps, wanted, side="right") - 1, 0, count - 2)
        fraction = np.clip((wanted - steps[index]) / (steps[index + 1] - steps[index]), 0, 1)
        np.testing.assert_array_equal(found[:, 0], index)
        np.testing.assert_allclose(found[:, 1], fraction, atol=1e-12)
    assert evaluate("(steps) => film.at(Int32Array.from(steps), 5)", [7]) == [0, 0]


def centre_of(result: dict[str, Any], colour: tuple[int, int, int]) -> tuple[float, float] | None:
    """Where the pixels of a colour lie, in CSS pixels of the figure."""
    shown = picture(result).astype(int)
    rows, columns = np.nonzero((np.abs(shown[..., :3] - colour) < 8).all(-1) & (shown[..., 3] > 250))
    return (result["left"] + columns.mean() + 0.5, result["top"] + rows.mean() + 0.5) if len(rows) else None


@pytest.mark.parametrize(("kind", "span", "y"), [("linear", [0, 4], [1, 3, 2]), ("log", [-2, 1], [0.1, 5, 0.02])])
@pytest.mark.parametrize("step", [0, 25, 100, 130, 200])
def test_the_cursor_s_dot_lies_on_the_curve(evaluate: Evaluate, kind: str, span: list[float], y: list[float], step: float) -> None:
    """Under Plotly's own axes, and under those that are expected before it is there."""
    code = """async ([kind, span, y, step, url]) => {
      if (!window.Plotly) await new Promise((resolve) => {
        document.head.append(Object.assign(document.createElement("script"), { src: url, onload: resolve }));
      });
      const plot = document.createElement("div");
      document.body.append(plot);
      const given = layout({ range: [0, 200] }, { type: kind, range: span });
      const lines = [
        { x: [0, 100, 200], y, color: "#d55e00" },
        { y: Float32Array.from(y, (v) => v / 2), x0: 0, dx: 100, color: "#0072b2" },
        { x: [0, 100, 200], y: [NaN, NaN, NaN], color: "#009e73" },
      ];
      await Plotly.newPlot(plot, [{ x: [0, 100, 200], y }], { ...structuredClone(given), width: 460, height: 250 });
      const found = [plot._fullLayout, expected(given.xaxis, given.yaxis)].map((axes) => {
        const canvas = newCanvas();
        film.cursor(canvas, axes, step, lines, theme);
        return placed(canvas);
      });
      Plotly.purge(plot);
      plot.remove();
      return found;
    }"""
    scale = np.log10 if kind == "log" else np.asarray
    for result in evaluate(code, [kind, span, y, step, "http://drawing.test/plotly.js"]):
        for colour, values in (((0xD5, 0x5E, 0x00), np.array(y)), ((0x00, 0x72, 0xB2), np.array(y) / 2)):
            height = np.interp(step, [0, 100, 200], scale(values))
            wanted = (50 + 2 * step, 10 + 200 * (span[1] - height) / (span[1] - span[0]))
            assert centre_of(result, colour) == pytest.approx(wanted, abs=0.5)
        assert centre_of(result, (0x00, 0x9E, 0x73)) is None


def test_the_cursor_skips_what_is_not_there(evaluate: Evaluate) -> None:
    """Beyond a curve's ends, beside a value that is not a number, beyond the plot area, where a log axis has no place."""
    code = """([x, y, step, kind]) => {
      const canvas = newCanvas();
      const axes = expected({ range: [0, 10] }, { type: kind, range: kind === "log" ? [-2, 1] : [0, 4] });
      film.cursor(canvas, axes, step, [{ x, y: y.map((v) => v ?? NaN), color: "#d55e00" }], theme);
      return placed(canvas);
    }"""
    orange = (0xD5, 0x5E, 0x00)
    shown = [([0, 5], [1, None], 0, "linear"), ([0, 5], [None, 1], 5, "linear"), ([3, 5], [1, 1], 4, "log")]
    hidden = [([0, 5], [1, 1], 6, "linear"), ([3, 5], [1, 1], 2, "linear"), ([0, 5], [1, None], 2, "linear")]
    hidden += [([0, 5], [9, 9], 2, "linear"), ([0, 5], [0, 0], 2, "log"), ([0, 5], [1e-9, 1e-9], 2, "log")]
    assert all(centre_of(evaluate(code, list(case)), orange) for case in shown)
    assert not any(centre_of(evaluate(code, list(case)), orange) for case in hidden)
    away = evaluate(code, [[0, 20], [1, 1], 15, "linear"])
    assert not picture(away).any()  # nor is there a line where the step is not on the axis


@pytest.mark.parametrize(("kind", "span"), [("linear", [0, 100]), ("log", [-1, 2])])
def test_bars_are_as_high_as_their_counts(evaluate: Evaluate, kind: str, span: list[float]) -> None:
    code = """([kind, span, counts]) => {
      const axes = expected({ range: [-2, 2] }, { type: kind, range: span });
      const x = Float32Array.from([-1.5, -0.5, 0.5, 1.5]);
      return [false, true].map((hatched) => {
        const canvas = newCanvas();
        film.bars(canvas, axes, [{ x, width: 1, counts, color: "#d55e00", hatched }], theme);
        return placed(canvas);
      });
    }"""
    counts = [10, 0, 2.5, 100]
    plain, hatched = (picture(result) for result in evaluate(code, [kind, span, counts]))
    place = {"linear": np.asarray, "log": np.log10}[kind]
    for k, count in enumerate(counts):
        wanted = 200 * (place(count) - span[0]) / (span[1] - span[0]) if count else 0
        assert (plain[:, 100 * k + 50, 3] / 255 / 0.6).sum() == pytest.approx(wanted, abs=1)
        block = hatched[:, 100 * k + 2 : 100 * k + 98, 3]
        assert np.count_nonzero(block.any(1)) == pytest.approx(wanted, abs=1)
        if wanted > 20:
            assert block[200 - int(wanted) + 1 :].mean() / 255 == pytest.approx(0.26, abs=0.04)  # a quarter is ink


def test_a_line_follows_its_points_and_breaks_at_gaps(evaluate: Evaluate) -> None:
    code = """([x, y]) => {
      const canvas = newCanvas();
      film.line(canvas, expected({ range: [0, 4] }, { range: [0, 4] }), x, y.map((v) => v ?? NaN), "#0072b2", 4);
      return placed(canvas);
    }"""
    found = picture(evaluate(code, [[0, 1, 2, 3, 4], [1, 3, None, 2, 2]]))[..., 3]
    rows = np.arange(200) + 0.5
    for column, height in ((50, 2.0), (350, 2.0), (25, 1.5)):
        weights = found[:, column - 1 : column + 1].sum(1).astype(float)
        assert (rows * weights).sum() / weights.sum() == pytest.approx(200 - 50 * height, abs=0.6)
    assert not found[:, 110:290].any()


# --- labels of an axis ------------------------------------------------------------------------------------------------------------

LABELS = """([axis, width]) => {
  const tokens = { ...theme, tokens: {}, arms: {}, lines: 1 };
  const options = { label: "", width, height: 300, map: null, log: null, still: false };
  const { xaxis } = themedLayout({ data: [], annotations: [], layout: { xaxis: axis } }, tokens, options);
  return [xaxis.ticktext, xaxis.tickvals];
}"""


def labels(evaluate: Evaluate, texts: list[str], width: int, **axis: Any) -> list[str]:
    given = {"tickvals": list(range(len(texts))), "ticktext": texts, "range": [-0.5, len(texts) - 0.5], **axis}
    shown, at = evaluate(LABELS, [given, width])
    assert [texts[k] for k in at] == shown
    return shown


def test_numbers_of_an_axis_are_all_there_with_room_and_every_so_many_th_without(evaluate: Evaluate) -> None:
    rates = ["0", "0.15", "0.25", "0.4", "0.55", "0.65", "0.8"]
    assert labels(evaluate, rates, 700) == rates
    assert labels(evaluate, rates, 262) == ["0", "0.25", "0.55", "0.8"]
    for width in range(120, 700, 20):
        shown = labels(evaluate, rates, width)
        assert shown[-1] == "0.8"
        step = (width - 62) / 7  # pixels from one to the next: the margins are 62
        at = [rates.index(text) for text in shown]
        gaps = [step * (b - a) for a, b in itertools.pairwise(at)]
        assert all(gap > 20 for gap in gaps), width  # a number of four characters takes 26 and one of one 7


def test_words_on_an_axis_and_slanted_labels_are_never_left_out(evaluate: Evaluate) -> None:
    assert labels(evaluate, ["decay", "dropout", "batch norm"], 120) == ["decay", "dropout", "batch norm"]
    many = [f"{k}000" for k in range(9)]
    assert labels(evaluate, many, 200, tickangle=-45) == many
    assert labels(evaluate, [], 200) == []
