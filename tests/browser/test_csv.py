"""The file behind "CSV": whatever a figure holds, Python's csv module reads the same values from it; no server is needed."""

import csv
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser, Route

ASSETS = Path(__file__).parents[2] / "assets"
QUERY = "?edits=r1~a1.5_-2_0&regularisers=l1,dropout&decay=2"
PAGE = """<!doctype html><script type="module">
import { downloadCsv } from "./csv.js";
const array = ({ values, shape }) => Object.assign(Float64Array.from(values), { shape });
const trace = ({ z, ...rest }) => (z ? { ...rest, z: array(z) } : rest);
let link = null;
HTMLAnchorElement.prototype.click = function () { link = this; };
window.saved = async (panel, label, map, data) => {
  downloadCsv(panel, { label, map: map && trace(map), figure: { data: data.map(trace) } });
  return [link.download, await (await fetch(link.href)).text()];
};
</script>"""

Saved = Callable[..., tuple[str, list[list[str]]]]


@pytest.fixture(scope="module")
def saved(browser: Browser) -> Iterator[Saved]:
    """The name of the file and its rows, of a view with these traces (`z`: values and shape)."""
    context = browser.new_context()
    page = context.new_page()

    def serve(route: Route) -> None:
        name = route.request.url.split("?")[0].rsplit("/", 1)[-1]
        if name:
            route.fulfill(path=ASSETS / name, content_type="text/javascript")
        else:
            route.fulfill(body=PAGE, content_type="text/html; charset=utf-8")

    def save(*data: dict[str, Any], map: dict[str, Any] | None = None, label: str = "all") -> tuple[str, list[list[str]]]:
        name, text = page.evaluate("(given) => saved(...given)", ["losses", label, map, list(data)])
        return name, list(csv.reader(io.StringIO(text, newline=""), strict=True))

    page.route("http://saving.test/**", serve)
    page.goto("http://saving.test/" + QUERY)
    page.wait_for_function("() => window.saved")
    yield save
    context.close()


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.text(',"\r\n\t;# é', max_size=6)
VALUES = st.one_of(st.none(), st.floats(), st.integers(-(2**53), 2**53), TEXTS)
COLUMN = st.lists(VALUES, max_size=6)


def same(cell: str, value: Any) -> bool:
    if value is None or isinstance(value, str):
        return cell == (value or "")
    return float(cell) == value or bool(np.isnan(value) and np.isnan(float(cell)))


def at(column: list[Any] | None, k: int) -> Any:
    """What stands in place k; without a column its places are numbered, beyond its end there is nothing."""
    if column is None:
        return k
    return column[k] if k < len(column) else None


def assert_rows(rows: list[list[str]], expected: list[list[Any]]) -> None:
    assert len(rows) == len(expected)
    for row, values in zip(rows, expected, strict=True):
        assert len(row) == len(values)
        assert all(map(same, row, values)), (row, values)


@settings(max_examples=80)
@given(
    st.lists(
        st.fixed_dictionaries({"name": TEXTS, "x": COLUMN, "y": COLUMN})
        | st.fixed_dictionaries({"y": COLUMN})
        | st.fixed_dictionaries({"x": COLUMN}),
        max_size=4,
    )
)
@example([{"name": "a\rb", "x": ["\r"], "y": [1e-300, float("inf"), float("nan"), -0.0]}])
def test_curves_are_read_back_as_they_are(saved: Saved, data: list[dict[str, Any]]):
    _, (url, header, *rows) = saved(*data)
    assert ",".join(url) == f"# http://saving.test/{QUERY}"
    assert header == ["trace", "x", "y"]
    expected = []
    for i, trace in enumerate(data, start=1):
        x, y = trace.get("x"), trace.get("y")
        length = max(len(x or []), len(y or []))
        expected += [[trace.get("name", f"trace {i}"), at(x, k), at(y, k)] for k in range(length)]
    assert_rows(rows, expected)


@settings(max_examples=25)
@given(st.integers(1, 4), st.integers(1, 4), st.booleans(), st.data())
def test_the_cells_of_a_map_have_their_places(saved: Saved, height: int, width: int, placed: bool, data: st.DataObject):
    z = data.draw(st.lists(st.floats(), min_size=height * width, max_size=height * width))
    x, y = ([data.draw(VALUES) for _ in range(count)] for count in (width, height))
    where = {"x": x, "y": y} if placed else {"x0": -1.5, "dx": 0.5, "y0": 2, "dy": 0.25}
    curve = {"name": "curve", "x": [1], "y": [2]}
    _, (_, header, *rows) = saved({"name": "loss, test", "z": {"values": z, "shape": [height, width]}, **where}, curve)
    assert header == ["trace", "x", "y", "value"]
    if not placed:
        x, y = [-1.5 + 0.5 * j for j in range(width)], [2 + 0.25 * i for i in range(height)]
    cells = [["loss, test", x[j], y[i], z[i * width + j]] for i in range(height) for j in range(width)]
    assert_rows(rows, [*cells, ["curve", 1, 2]])


def test_a_map_of_classes_gives_the_class_and_by_how_much_it_leads(saved: Saved):
    meta = {"levels": 128, "names": ['the "first"', "other"]}
    decision = {"name": "decision", "z": {"values": [0, 127, 128, 255], "shape": [2, 2]}, "x0": 0, "dx": 1, "y0": 0, "dy": 1, "meta": meta}
    _, (_, header, *rows) = saved({"name": "points", "x": [0.5], "y": [0.25]}, map=decision)
    assert header == ["trace", "x", "y", "value", "margin"]
    classes = [["decision", 0, 0, 'the "first"', 0], ["decision", 1, 0, 'the "first"', 1], ["decision", 0, 1, "other", 0]]
    assert_rows(rows, [*classes, ["decision", 1, 1, "other", 1], ["points", 0.5, 0.25]])


@settings(max_examples=25)
@given(TEXTS)
def test_any_view_gives_a_plain_file_name(saved: Saved, label: str):
    assert re.fullmatch(r"losses-[a-z0-9_.-]*\.csv", saved(label=label)[0])
