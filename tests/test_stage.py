"""The stage's payload and the files that it serves."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
import plotly
import plotly.graph_objects as go
import pytest
from starlette.applications import Starlette

from wdviz.ui import stage
from wdviz.ui.stage import Panel, Stat, View, encode, routes


def decode(payload: bytes) -> dict[str, Any]:
    """The header with arrays back in place, as assets/stage.js reads it."""
    (length,) = struct.unpack_from("<I", payload)
    start = -(-(4 + length) // 8) * 8

    def restore(value: dict[str, Any]) -> Any:
        if "$a" not in value:
            return value
        offset, count, dtype, shape = value["$a"]
        assert offset % 8 == 0
        assert int(np.prod(shape)) == count
        return np.frombuffer(payload, "<" + dtype, count, start + offset).reshape(shape)

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    assert not any(payload[4 + length : start])
    return json.loads(payload[4 : 4 + length].decode(), object_hook=restore, parse_constant=refuse)


def panel(*figures: go.Figure, **options: Any) -> Panel:
    views = tuple(View(f"view {k}", figure, f"Picture {k}.") for k, figure in enumerate(figures))
    return Panel(**{"name": "one", "title": "One", "views": views, **options})


def data_of(figure: go.Figure) -> list[dict[str, Any]]:
    return decode(encode([panel(figure)]))["panels"][0]["views"][0]["data"]


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("f4", "f4"),
        ("f8", "f8"),
        ("f2", "f4"),
        ("i8", "i4"),
        ("i1", "i4"),
        ("u4", "i4"),
        ("u2", "u2"),
        ("u1", "u1"),
        (">f4", "f4"),
    ],
)
def test_arrays_keep_their_values(given: str, sent: str):
    values = np.array([0, 1, 1, 0, 1]).astype(given)
    (trace,) = data_of(go.Figure(go.Scatter(x=np.arange(5), y=values)))
    assert trace["y"].dtype == np.dtype("<" + sent)
    np.testing.assert_array_equal(trace["y"], values)


def test_integers_too_large_for_32_bits_become_floats():
    values = np.array([1, 2**40])
    (trace,) = data_of(go.Figure(go.Scatter(y=values)))
    assert trace["y"].dtype == np.float64
    np.testing.assert_array_equal(trace["y"], values)


def test_matrices_keep_their_shape_and_other_arrays_become_lists():
    z = np.arange(12, dtype="u2").reshape(3, 4)
    meta = {"kind": "decision", "colors": ["#5e3c99", "#e08214"], "names": ["a", "b"]}
    figure = go.Figure([go.Heatmap(z=z.T.copy().T, meta=meta), go.Scatter(x=np.array(["p", "q"]), y=[1, 2])])
    heatmap, scatter = data_of(figure)
    np.testing.assert_array_equal(heatmap["z"], z)
    assert heatmap["meta"] == meta
    assert scatter["x"] == ["p", "q"]


def test_numbers_that_are_not_finite():
    values = np.array([1.0, np.nan, np.inf])
    figure = go.Figure([go.Scatter(x=[0.0, float("nan"), float("inf")], y=values)])
    (trace,) = data_of(figure)
    assert trace["x"] == [0.0, None, None]
    np.testing.assert_array_equal(trace["y"], values)


def test_header_round_trip():
    shown = panel(
        go.Figure(go.Scatter(y=[1, 2])),
        go.Figure(),
        span=4,
        tone="with",
        tag="generalises – schön",
        note="dashed: test",
        stats=(Stat("test loss", "0.24", "± 0.02"),),
        toggle="log counts",
        height=240,
    )
    header = decode(encode([shown], status="seed 3 of 5", result="abc"))
    assert (header["status"], header["result"]) == ("seed 3 of 5", "abc")
    (sent,) = header["panels"]
    views = sent.pop("views")
    assert sent == {
        "name": "one",
        "title": "One",
        "span": 4,
        "tone": "with",
        "tag": "generalises – schön",
        "note": "dashed: test",
        "stats": [{"label": "test loss", "value": "0.24", "spread": "± 0.02"}],
        "toggle": "log counts",
        "height": 240,
    }
    assert [(view["label"], view["summary"]) for view in views] == [("view 0", "Picture 0."), ("view 1", "Picture 1.")]


def test_no_template_and_no_transition():
    figure = go.Figure(go.Scatter(y=[1]), layout={"template": "plotly_dark", "transition": {"duration": 500}, "xaxis": {"range": [0, 1]}})
    payload = encode([panel(figure)])
    assert b"template" not in payload
    assert decode(payload)["panels"][0]["views"][0]["layout"] == {"xaxis": {"range": [0, 1]}}


def test_the_figure_is_left_as_it_was():
    figure = go.Figure(go.Scatter(y=np.arange(3.0)), layout={"template": "plotly_white"})
    before = figure.to_json()
    encode([panel(figure)])
    assert figure.to_json() == before


def test_signature_changes_with_the_picture_only():
    def signature(y: np.ndarray, *others: Panel) -> str:
        return decode(encode([*others, panel(go.Figure(go.Scatter(y=y)))], result=str(len(others))))["panels"][-1]["views"][0]["sig"]

    other = panel(go.Figure(go.Scatter(y=np.arange(100.0))), name="other")
    assert signature(np.arange(3.0)) == signature(np.arange(3.0), other)
    assert signature(np.arange(3.0)) != signature(np.array([0.0, 1.0, 2.5]))
    assert signature(np.arange(3.0)) != signature(np.arange(3))


def test_equal_arrays_are_sent_once():
    steps = np.arange(10_000.0)
    once = encode([panel(go.Figure(go.Scatter(y=steps)))])
    twice = encode([panel(go.Figure([go.Scatter(x=steps, y=steps), go.Scatter(x=steps.copy(), y=steps)]))])
    assert len(twice) < 1.1 * len(once)


def test_an_empty_stage_and_an_empty_array():
    assert decode(encode([]))["panels"] == []
    assert data_of(go.Figure(go.Scatter(y=np.array([]))))[0]["y"].shape == (0,)


def test_names_must_differ():
    with pytest.raises(ValueError, match="must differ"):
        encode([panel(go.Figure()), panel(go.Figure())])


# --- files ------------------------------------------------------------------------------------------------------------------------

PLOTLY = f"plotly-{plotly.__version__}.min.js"


def get(path: str, *, query: str = "", encoding: str = "", method: str = "GET") -> tuple[int, dict[str, str], bytes]:
    """One request to an app with the stage's routes."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"accept-encoding", encoding.encode())] if encoding else []
    scope = {"type": "http", "http_version": "1.1", "method": method, "path": path, "raw_path": path.encode(), "root_path": ""}
    scope |= {"query_string": query.encode(), "headers": headers, "scheme": "http", "server": ("test", 80), "client": ("test", 1)}
    asyncio.run(Starlette(routes=routes())(scope, receive, send))
    answer = {key.decode(): value.decode() for key, value in sent[0]["headers"]}
    return sent[0]["status"], answer, b"".join(message.get("body", b"") for message in sent[1:])


@pytest.mark.parametrize(("name", "kind"), [("stage.js", "text/javascript"), ("stage.css", "text/css"), (PLOTLY, "text/javascript")])
def test_files_are_served_for_ever_and_compressed(name: str, kind: str):
    status, headers, body = get(f"/assets/{name}", encoding="gzip, br")
    assert status == 200
    assert headers["cache-control"] == "public, max-age=31536000, immutable"
    assert headers["content-type"].startswith(kind)
    assert headers["content-encoding"] == "gzip"
    status, headers, plain = get(f"/assets/{name}")
    assert status == 200
    assert "content-encoding" not in headers
    assert gzip.decompress(body) == plain


def test_another_version_is_not_kept():
    name, query = stage._url("stage.js").removeprefix("/assets/").split("?")
    assert "immutable" in get(f"/assets/{name}", query=query)[1]["cache-control"]
    assert get(f"/assets/{name}", query="v=old")[1]["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "path", ["/assets/", "/assets/text/", "/assets/../app.py", "/assets/stage.py", "/assets/stage.js/", "/assets/plotly-1.0.0.min.js", "/"]
)
def test_nothing_else_is_served(path: str):
    assert get(path)[0] in (404, 307)
    assert get(path)[2] == b"" or get(path)[0] == 404


def test_files_are_only_read():
    assert get("/assets/stage.js", method="POST")[0] == 405


def test_addresses_follow_the_base_path(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(stage.st, "get_option", lambda name: "/lab/")
    assert stage._url(PLOTLY) == f"/lab/assets/{PLOTLY}"
    assert all(getattr(route, "path", "").startswith("/lab/assets/") for route in routes())


def test_the_script_keeps_to_its_own_host_and_never_parses_data_as_markup():
    script = (Path(__file__).parents[1] / "assets" / "stage.js").read_text()
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|\beval\b|new Function|https?://|fetch\(", script)
