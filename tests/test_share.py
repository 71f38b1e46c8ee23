"""The QR code of a page's address."""

from __future__ import annotations

import asyncio
import re
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

import pytest
import segno
from starlette.applications import Starlette

from wdviz.ui import files
from wdviz.ui.share import routes

HOST = "lab.example:8501"
LONGEST = f"http://{HOST}/?a=".ljust(2000, "x")


def get(text: str | None, *, host: str | None = HOST, path: str = "/qr.svg", method: str = "GET") -> tuple[int, dict[str, str], bytes]:
    """One request to an app with the route of the QR code."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    query = b"" if text is None else f"text={quote(text, safe='')}".encode()
    headers = [] if host is None else [(b"host", host.encode())]
    scope = {"type": "http", "http_version": "1.1", "method": method, "path": path, "raw_path": path.encode(), "root_path": ""}
    scope |= {"query_string": query, "headers": headers, "scheme": "http", "server": ("test", 80), "client": ("test", 1)}
    asyncio.run(Starlette(routes=routes())(scope, receive, send))
    answer = {key.decode(): value.decode() for key, value in sent[0]["headers"]}
    return sent[0]["status"], answer, b"".join(message.get("body", b"") for message in sent[1:])


def modules(svg: bytes) -> list[list[int]]:
    """The picture as rows of 0 (light) and 1 (dark), read from its strokes."""
    root = ElementTree.fromstring(svg)
    size = int(root.attrib["viewBox"].split()[2])
    light, dark = root
    assert light.attrib == {"fill": "#fff", "d": f"M0 0h{size}v{size}h-{size}z"}
    assert (dark.attrib["stroke"], set(dark.attrib)) == ("#000", {"stroke", "d"})
    rows = [[0] * size for _ in range(size)]
    x = y = 0.0
    steps: list[tuple[str, str, str]] = re.findall(r"([Mmh])(-?[\d.]+)(?: (-?[\d.]+))?", dark.attrib["d"])
    for kind, first, second in steps:
        if kind == "h":
            rows[int(y)][int(x) : int(x + float(first))] = [1] * int(first)
            x += float(first)
        else:
            x, y = (float(first), float(second)) if kind == "M" else (x + float(first), y + float(second))
    return rows


@pytest.mark.parametrize(
    "text",
    [
        f"http://{HOST}",
        f"https://{HOST}/",
        f"http://{HOST}/overfitting?layers=16,16&decay=0.01&data=a%20b#top",
        f"http://{HOST.upper()}/",
        f"http://{HOST}/?next=http://elsewhere.example/@",
        LONGEST,
    ],
)
def test_the_code_says_the_address(text: str):
    status, headers, body = get(text)
    assert status == 200
    assert headers["content-type"] == "image/svg+xml"
    assert headers["cache-control"] == "private, max-age=3600"
    expected = segno.make_qr(text, error="m").matrix_iter(border=4)
    assert modules(body) == [list(row) for row in expected]


def test_the_picture_takes_the_size_that_it_is_given():
    root = ElementTree.fromstring(get(f"http://{HOST}/")[2])
    assert set(root.attrib) == {"viewBox"}


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8501", "[::1]:8501", "lab.example"])
def test_any_name_of_the_host_will_do(host: str):
    assert get(f"http://{host}/?a=1", host=host)[0] == 200


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "hello",
        "/overfitting",
        f"//{HOST}/",
        f"{HOST}/",
        f"ftp://{HOST}/",
        f"javascript://{HOST}/",
        f" http://{HOST}/",
        "http://evil.example/",
        "http://lab.example/",
        "http://labxexample:8501/",
        f"http://{HOST}.evil/",
        f"http://{HOST}0/",
        f"http://{HOST}@evil.example/",
        f"http://{HOST}:80@evil.example/",
        f"http://me@{HOST}/",
        f"http://{HOST}\\@evil.example/",
        f"http://{HOST};/",
        f"http://evil.example/http://{HOST}/",
        f"http://{HOST}/\n",
        f"http://{HOST}/\r\nSet-Cookie: a=b",
        f"http://{HOST}/a b",
        f"http://{HOST}/\0",
        f"http://{HOST}/\x7f",
        f"http://{HOST}/\u202etxt",
        f"http://{HOST}/schön",
        LONGEST + "x",
    ],
)
def test_other_texts_are_refused(text: str | None):
    status, headers, body = get(text)
    assert status == 400
    assert headers["content-type"].startswith("text/plain")
    assert "address on this very host" in body.decode()
    assert "2,000" in body.decode()


@pytest.mark.parametrize(("host", "text"), [(None, "http:///"), ("", "http:///"), ("lab.example", "http://lab.example:80@evil.example/")])
def test_the_host_asked_decides(host: str | None, text: str):
    assert get(text, host=host)[0] == 400


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_it_is_only_read(method: str):
    assert get(f"http://{HOST}/", method=method)[0] == 405


def test_the_route_follows_the_base_path(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(files.st, "get_option", lambda name: "/lab/")
    assert get(f"http://{HOST}/lab/", path="/lab/qr.svg")[0] == 200
    assert get(f"http://{HOST}/lab/", path="/qr.svg")[0] == 404
