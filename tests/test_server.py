"""What the server does beside running pages."""

from __future__ import annotations

import asyncio
import socket

from starlette.applications import Starlette
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.routing import Route

from wdviz.ui import files, server


def test_connections_send_small_messages_at_once():
    async def accepted() -> int:
        server._send_at_once()
        server._send_at_once()  # once is enough, twice does no harm
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


def links(content_type: str) -> list[str]:
    """The Link headers of an answer of that type, through the middleware."""
    response = HTMLResponse if content_type == "text/html" else PlainTextResponse
    app = server.Preload(Starlette(routes=[Route("/", lambda request: response("x"))]))
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    asyncio.run(app({"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b""}, receive, send))
    return [value.decode() for name, value in sent[0]["headers"] if name == b"link"]


def test_pages_name_the_files_their_pictures_need_and_nothing_else_does():
    assert links("text/html") == [files.preload()]
    assert links("text/plain") == []


def test_the_server_answers_for_the_files_and_the_code_of_the_address():
    paths = [route.path for route in server.routes()]  # type: ignore[attr-defined]
    assert paths == ["/assets/{version}/{name}", "/qr.svg"]
