"""The files that a browser needs for the stage: kept for ever, compressed, and nothing beside them."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
from pathlib import Path
from typing import Any

import plotly
import pytest
from starlette.applications import Starlette

from wdviz.ui import files, stage
from wdviz.ui.files import routes

ASSETS = Path(__file__).parents[1] / "assets"
SCRIPTS = sorted(ASSETS.glob("*.js"))
PLOTLY = f"plotly-{plotly.__version__}.min.js"
FOR_EVER = "public, max-age=31536000, immutable"
SMALL = [*(path.name for path in SCRIPTS), "stage.css", "share.css"]


def get(path: str, *, encoding: str = "", method: str = "GET") -> tuple[int, dict[str, str], bytes]:
    """One request to an app with the stage's routes."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"accept-encoding", encoding.encode())] if encoding else []
    scope = {"type": "http", "http_version": "1.1", "method": method, "path": path, "raw_path": path.encode(), "root_path": ""}
    scope |= {"query_string": b"", "headers": headers, "scheme": "http", "server": ("test", 80), "client": ("test", 1)}
    asyncio.run(Starlette(routes=routes())(scope, receive, send))
    answer = {key.decode(): value.decode() for key, value in sent[0]["headers"]}
    return sent[0]["status"], answer, b"".join(message.get("body", b"") for message in sent[1:])


@pytest.mark.parametrize("name", [*SMALL, PLOTLY])
def test_files_are_served_for_ever_and_compressed(name: str):
    address = files.plotly_url() if name == PLOTLY else files.url(name)
    status, headers, zipped = get(address, encoding="gzip, br")
    assert status == 200
    assert headers["cache-control"] == FOR_EVER
    assert headers["content-type"].startswith("text/css" if name.endswith(".css") else "text/javascript")
    assert (headers["content-encoding"], headers["vary"]) == ("gzip", "Accept-Encoding")
    status, headers, raw = get(address)
    assert (status, headers["cache-control"]) == (200, FOR_EVER)
    assert "content-encoding" not in headers
    assert gzip.decompress(zipped) == raw
    if name != PLOTLY:
        assert raw == (ASSETS / name).read_bytes()


def test_another_version_is_served_but_not_kept_for_ever():
    status, headers, body = get("/assets/0123456789ab/stage.js")
    assert (status, headers["cache-control"]) == (200, "no-cache")
    assert body == (ASSETS / "stage.js").read_bytes()


def test_the_version_follows_every_small_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    versions = {files.url("stage.js")}
    monkeypatch.setattr(files, "_version", files._version.__wrapped__)
    for name in SMALL:
        (tmp_path / name).write_bytes((ASSETS / name).read_bytes() + b"\n")
        with monkeypatch.context() as changed:
            changed.setitem(files._FILES, name, tmp_path / name)
            versions.add(files.url("stage.js"))
    assert len(versions) == 1 + len(SMALL)
    assert files.url("stage.js") in versions


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/assets/",
        "/assets/stage.js",
        "/assets/v/",
        "/assets/v/app.py",
        "/assets/v/stage.py",
        "/assets/v/page.css",
        "/assets/v/wdviz.gif",
        "/assets/v/text/overfitting.md",
        "/assets/v/../../app.py",
        "/assets/v/..%2F..%2Fapp.py",
        "/assets/v/%2Fetc%2Fpasswd",
        "/assets/v/stage.js%00",
        "/assets/v/STAGE.JS",
        "/assets/lib/plotly-1.0.0.min.js",
    ],
)
def test_nothing_else_is_served(path: str):
    status, headers, body = get(path)
    assert status == 404
    assert headers["content-type"].startswith("text/plain")
    assert len(body) < 50


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_files_are_only_read(method: str):
    assert get(files.url("stage.js"), method=method)[0] == 405


def test_addresses_follow_the_base_path(monkeypatch: pytest.MonkeyPatch):
    def told(base: str) -> None:
        monkeypatch.setattr(files.st, "get_option", lambda name: base if name == "server.baseUrlPath" else None)

    told("")
    plain = files.url("stage.js")
    told("/lab/")
    assert files.url("stage.js") == "/lab" + plain
    assert files.plotly_url() == f"/lab/assets/lib/{PLOTLY}"
    assert get(files.url("stage.js"))[0] == get(files.plotly_url())[0] == 200
    assert get(plain)[0] == 404
    assert all(part.startswith("</lab/assets/") for part in files.preload().split(", "))


def test_the_small_files_are_preloaded_each_as_what_it_is():
    parts = [re.fullmatch(r"<(\S+)>; rel=(.+)", part) for part in files.preload().split(", ")]
    found = {part[1]: part[2] for part in parts if part}
    assert len(found) == len(parts)
    modules = [name for name in SMALL if name != "base.js"]  # that one is in each page itself
    assert found == {files.url(name): "modulepreload" if name.endswith(".js") else "preload; as=style" for name in modules}


def test_what_travels_with_each_update_names_files_that_are_served():
    loader = stage._loader()
    assert "\n" in loader  # Streamlit takes a text without a line break for a path
    assert len(loader) < 600
    named = [json.loads(text) for text in re.findall(r'"/[^"]*"', loader)]
    assert {files.url("stage.js"), files.url("stage.css"), files.url("share.css"), files.plotly_url()} < set(named)
    assert all(get(address)[0] == 200 for address in named if address.startswith("/assets/"))


def test_modules_import_only_each_other_and_all_are_used():
    found = {path.name: re.findall(r'(?:from|import\()\s*"([^"]+)"', path.read_text(encoding="utf-8")) for path in SCRIPTS}
    used = {name.removeprefix("./") for names in found.values() for name in names}
    assert all(re.fullmatch(r"\./\w+\.js", name) for names in found.values() for name in names)
    assert used | {"stage.js", "base.js"} == set(found)


SVG = '"http://www.w3.org/2000/svg"'  # a name, not an address
MARKUP = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment|\beval\b|new Function"
ELSEWHERE = r"https?://|wss?://|[\"'`]//|fetch\(|XMLHttpRequest|WebSocket|sendBeacon|EventSource|\.cookie\b|localStorage|sessionStorage"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_keep_to_their_own_host_and_never_parse_data_as_markup(script: Path):
    text = script.read_text(encoding="utf-8").replace(SVG, "")
    assert not re.search(f"{MARKUP}|{ELSEWHERE}", text)


@pytest.mark.parametrize("style", sorted(ASSETS.glob("*.css")), ids=lambda path: path.name)
def test_styles_load_nothing(style: Path):
    assert not re.search(r"url\(|@import|https?://", style.read_text(encoding="utf-8"))
