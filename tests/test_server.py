"""What the server does beside running pages."""

from __future__ import annotations

import asyncio
import gzip
import socket
import tomllib
from pathlib import Path
from typing import Any

import pytest
import streamlit
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.routing import Route
from streamlit import config
from streamlit.proto.NewSession_pb2 import NewSession
from streamlit.runtime import app_session

from wdviz.serving import assembly, start
from wdviz.serving.head import Head
from wdviz.serving.zipped import Zipped
from wdviz.ui import files


def test_connections_send_small_messages_at_once():
    async def accepted() -> int:
        start.send_at_once()
        start.send_at_once()  # once is enough, twice does no harm
        seen: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            seen.set_result(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        # As Streamlit makes its socket: without a protocol number, for which asyncio leaves the delay on.
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listening.bind(("127.0.0.1", 0))
        async with await asyncio.start_server(connected, sock=listening):
            _, writer = await asyncio.open_connection(*listening.getsockname())
            delay_off = await seen
            writer.close()
            await writer.wait_closed()
        return delay_off

    assert asyncio.run(accepted()) != 0


def test_the_theme_is_put_together_once_and_is_the_same(monkeypatch: pytest.MonkeyPatch):
    def whole() -> NewSession:
        message = NewSession()
        app_session._populate_theme_msg(message.custom_theme)
        for part in ("light", "dark", "sidebar"):
            app_session._populate_theme_msg(getattr(message.custom_theme, part), f"theme.{part}")
        return message

    read: list[str] = []
    original = app_session._populate_theme_msg
    monkeypatch.setattr(app_session, "_populate_theme_msg", original)
    options = config.get_options_for_section
    monkeypatch.setattr(config, "get_options_for_section", lambda section: read.append(section) or options(section))
    config.set_option("theme.light.primaryColor", "#123456")
    try:
        before, asked = whole(), len(read)
        start.read_theme_once()
        start.read_theme_once()
        assert whole() == whole() == before
        assert before.custom_theme.light.primary_color == "#123456"
        assert len(read) == 2 * asked
    finally:
        config.set_option("theme.light.primaryColor", None)


def test_streamlit_does_not_collect_garbage_after_each_run():
    path = Path(__file__).parents[1] / ".streamlit" / "config.toml"
    assert tomllib.loads(path.read_text(encoding="utf-8"))["runner"]["postScriptGC"] is False
    assert "runner.postScriptGC" in config._config_options_template  # the option exists in this version, although it is not documented


PAGE = "<html><head><script>1</script><script>2</script></head><body>é</body></html>"


def answered(content: str, content_type: str = "text/html", accept: bytes = b"text/html") -> tuple[dict[str, list[str]], str]:
    """Headers and body of an answer through the middleware, by a server that compresses what may be compressed."""
    kind = HTMLResponse if content_type == "text/html" else PlainTextResponse
    compressed = [Middleware(GZipMiddleware, minimum_size=1)]
    app = Head(Starlette(routes=[Route("/", lambda request: kind(content))], middleware=compressed))
    asked = [(b"accept", accept), (b"accept-encoding", b"gzip")]
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    asyncio.run(app({"type": "http", "method": "GET", "path": "/", "headers": asked, "query_string": b""}, receive, send))
    found: dict[str, list[str]] = {}
    for name, value in sent[0]["headers"]:
        found.setdefault(name.decode(), []).append(value.decode())
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return found, (gzip.decompress(body) if "content-encoding" in found else body).decode()


def test_pages_name_the_files_their_pictures_need_and_nothing_else_does():
    assert answered(PAGE)[0]["link"] == [files.preload()]
    assert "link" not in answered(PAGE, "text/plain")[0]


def test_a_page_learns_where_the_server_is_before_any_other_script():
    headers, body = answered(PAGE)
    tag = files.base_script().decode()
    assert body == PAGE.replace("<script>1", f"{tag}<script>1")
    assert headers["content-length"] == [str(len(body.encode()))]
    assert files.url("base.js") in tag


def test_no_page_has_the_browser_fetch_a_font_that_it_does_not_use():
    index = (Path(streamlit.__file__).parent / "static" / "index.html").read_text(encoding="utf-8")
    assert index.count('as="font"') == 1
    assert 'as="font"' not in answered(index)[1]
    kept = '<link rel="preload" href="a.css" as="style">'
    assert kept in answered(PAGE.replace("<head>", f"<head>{kept}"))[1]


def static(path: str, encoding: bytes = b"gzip", method: str = "GET") -> tuple[dict[str, str], bytes]:
    """What the middleware answers for a file of Streamlit's, with an app behind it that says that it was asked."""
    behind = Starlette(routes=[Route("/{path:path}", lambda request: PlainTextResponse("behind"))])
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "headers": [(b"accept-encoding", encoding)], "query_string": b""}
    asyncio.run(Zipped(behind)(scope, receive, send))
    return {name.decode(): value.decode() for name, value in sent[0]["headers"]}, b"".join(m.get("body", b"") for m in sent[1:])


@pytest.mark.parametrize(("suffix", "kind"), [(".js", "text/javascript"), (".css", "text/css")])
def test_streamlit_s_scripts_and_styles_come_compressed_and_are_the_same(suffix: str, kind: str):
    folder = Path(streamlit.__file__).parent / "static"
    path = next(folder.rglob(f"static/*/*{suffix}"))
    address = f"/{path.relative_to(folder).as_posix()}"
    headers, body = static(address)
    assert gzip.decompress(body) == path.read_bytes()
    assert (headers["content-encoding"], headers["vary"]) == ("gzip", "Accept-Encoding")
    assert headers["cache-control"].startswith("public, immutable, max-age=")
    assert headers["content-type"].startswith(kind)
    assert static(address, b"identity")[1] == b"behind"
    assert "content-encoding" not in static(address, method="HEAD")[0]


@pytest.mark.parametrize("path", ["/static/js/none.js", "/static/../index.html", "/index.html", "/static/js/", "/static/%2e%2e/index.html"])
def test_no_other_file_is_read(path: str):
    assert static(path)[1] == b"behind"


def test_what_is_no_page_passes_as_it_is():
    assert answered(PAGE, "text/plain")[1] == PAGE
    assert answered("no script here")[1] == "no script here"
    headers, body = answered(PAGE, accept=b"*/*")
    assert (headers["content-encoding"], body) == (["gzip"], PAGE)


def test_the_server_answers_for_the_files_and_the_code_of_the_address():
    paths = [route.path for route in assembly.routes()]  # type: ignore[attr-defined]
    assert paths == ["/assets/{version}/{name}", "/qr.svg"]
