"""A visitor without a browser: a real session over the websocket, which asks as assets/stage.js asks.

Only the head of a payload is unpacked, and no picture is drawn, so that one core carries a hundred visitors.
"""

from __future__ import annotations

import asyncio
import json
import struct
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlparse

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Origin, Subprotocol

WAIT_S = 60.0  # for a picture, after which the visitor calls it an error
_STAGE = "stage"  # the key of the component
_EVENTS = "$$STREAMLIT_INTERNAL_KEY_{}__events"  # how Streamlit names the widget of a component's triggers


class Trouble(RuntimeError):
    """What went wrong for one visitor, in words."""


@dataclass(frozen=True)
class Picture:
    """What the server sent for the stage."""

    number: int  # of the payload, to be acknowledged
    ask: int  # the last ask that it answers
    whole_page: bool  # whether the page was run from top to bottom for it
    result: str
    status: str  # what is still being computed; words of the progress of a long sweep
    more: bool  # whether the browser should ask for more
    size: int  # bytes


def head(payload: bytes) -> dict[str, Any]:
    """The header of a payload, see wdviz/ui/wire.py, without unpacking the pieces behind it."""
    stream = zlib.decompressobj()
    found, rest = stream.decompress(payload, 4), stream.unconsumed_tail
    (length,) = struct.unpack("<I", found)
    return json.loads(stream.decompress(rest, length))


@dataclass
class _Widget:
    """A control of the sidebar, with what the browser says of it."""

    id: str
    field: str  # of WidgetState
    value: Any
    offered: list[Any]  # values that it can be moved to, where it is a slider


class Visitor:
    """One session: `open` it, `ask` or `move`, `settle`, `vanish`. What it meets is counted: bytes, errors.

    Arguments:
        server: as in `http://127.0.0.1:8501`.
        page: its path, "" for the first one.
        query: the settings in the address.
        paint: seconds that its browser would need for drawing a picture before it asks for more.
        cookie: what it sends as the header of that name, `name=value`.
    """

    def __init__(self, server: str, page: str = "", query: str = "", *, paint: float = 0.0, cookie: str = "") -> None:
        self.errors: list[str] = []
        self.received = self.pictures = 0  # bytes of all messages; payloads of the stage
        self.picture: Picture | None = None  # the last one
        self.controls: dict[str, _Widget] = {}  # of the sidebar, by the names of their settings
        self._server, self._page, self._query, self._paint = server, page, query, paint
        self._headers = {"Cookie": cookie} if cookie else {}
        self._page_hash = self._fragment = self._stage = self.session = ""
        self._sent = self._waiting = self._have = 0
        self._merely_more = False  # whether what is under way asks for more of the same alone
        self.said = ""  # what the server last said in place of a picture, such as one's place in the line
        self._wish: dict[str, Any] | None = None
        self._whole_page = False  # whether the run under way is of the whole page
        self._popovers: set[tuple[int, ...]] = set()  # where they stand: what is in a closed one is not said
        self._news = asyncio.Condition()
        self._socket: ClientConnection | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    # --- what a visitor does ------------------------------------------------------------------------------------------------------

    async def open(self) -> float:
        """Opens the page, or comes back to the session of a connection that was lost. Seconds until the first picture."""
        started, before = time.perf_counter(), self.pictures
        protocols = [Subprotocol(name) for name in ("streamlit", *(("-", self.session) if self.session else ()))]
        parts = urlparse(self._server)
        self._socket = await connect(
            f"ws://{parts.netloc}{parts.path}/_stcore/stream",
            subprotocols=protocols,
            origin=Origin(f"{parts.scheme}://{parts.netloc}"),
            additional_headers=self._headers,
            compression=None,  # the server compresses nothing: what is large is compressed already
            max_size=None,
            ping_interval=None,
            proxy=None,
            open_timeout=WAIT_S,
        )
        self._start(self._listen(self._socket))
        await self._run()
        await self._until(lambda: self.pictures > before)
        return time.perf_counter() - started

    async def ask(self, put: Mapping[str, str], *, live: bool = False) -> tuple[float, float]:
        """Moves a control of the stage. Seconds until the first picture of it: since the hand moved, and since it was sent."""
        moved = time.perf_counter()
        self._wish = {**(self._wish or {}), "put": {**(self._wish or {}).get("put", {}), **put}, "live": live}
        wanted = self._sent + 1
        await self._send()
        if self._sent < wanted:
            await self._until(lambda: self._sent >= wanted)
        sent = time.perf_counter()
        await self._until(lambda: self.picture is not None and self.picture.ask >= wanted)
        now = time.perf_counter()
        return now - moved, now - sent

    async def move(self, name: str, value: Any) -> float:
        """Moves a slider of the sidebar, which runs the whole page. Seconds until the first picture of it."""
        started, before = time.perf_counter(), self.pictures
        control = self.controls[name]
        control.value = [value]
        await self._run()
        await self._until(lambda: self.pictures > before and self.picture is not None and self.picture.whole_page)
        return time.perf_counter() - started

    async def settle(self, seconds: float = WAIT_S) -> None:
        """Waits until everything that the page shows is computed and sent."""
        await self._until(lambda: self._settled, seconds)

    async def vanish(self) -> None:
        """The connection is gone, without a word to the server."""
        socket, self._socket = self._socket, None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._waiting, self._have, self._wish = 0, 0, None
        if socket:
            socket.transport.abort()
            await socket.wait_closed()

    @property
    def _settled(self) -> bool:
        return self.picture is not None and not self.picture.more and not self._waiting and self._wish is None

    # --- what its browser does ----------------------------------------------------------------------------------------------------

    async def _send(self) -> None:
        """The last wishes, if nothing is under way that they do not overtake, as `send` in assets/stage.js."""
        merely_more = self._wish is not None and "put" not in self._wish
        if self._wish is None or (self._waiting and not (self._merely_more and not merely_more)):
            return
        self._sent += 1
        self._merely_more = merely_more
        message = {"id": self._sent, "have": self._have, "picked": {}, "put": {}, "live": False, **self._wish}
        self._wish, self._waiting = None, self._sent
        await self._run(json.dumps([{"event": "ask", "value": message}], separators=(",", ":")))

    async def _run(self, asked: str = "") -> None:
        """Has the script run: the page, or, with something asked on the stage, its fragment alone."""
        message = BackMsg()
        run = message.rerun_script
        run.query_string, run.page_script_hash = self._query, self._page_hash
        run.page_name = "" if self._page_hash else self._page
        run.context_info.timezone, run.context_info.locale, run.context_info.color_scheme = "UTC", "en-US", "light"
        run.context_info.url = f"{self._server}/{self._page}"
        for control in self.controls.values():
            state = run.widget_states.widgets.add(id=control.id)
            if control.field == "string_value":
                state.string_value = control.value
            else:
                part = getattr(state, control.field)
                part.SetInParent()
                part.data.extend(control.value)
        if asked:
            run.fragment_id = self._fragment
            run.widget_states.widgets.add(id=_EVENTS.format(self._stage), json_trigger_value=asked)
        assert self._socket is not None
        await self._socket.send(message.SerializeToString())

    async def _listen(self, socket: ClientConnection) -> None:
        message = ForwardMsg()
        try:
            async for raw in socket:
                assert isinstance(raw, bytes)
                self.received += len(raw)
                message.ParseFromString(raw)
                await self._take(message)
        except ConnectionClosed:
            pass
        if self._socket is socket:  # nobody asked for that
            await self._fail(f"the connection was closed: {socket.close_code} {socket.close_reason}")

    async def _take(self, message: ForwardMsg) -> None:
        match message.WhichOneof("type"):
            case "new_session":
                self.session = message.new_session.initialize.session_id or self.session
                self._whole_page = not message.metadata.run.fragment_ids
            case "navigation":
                self._page_hash = message.navigation.page_script_hash
            case "page_info_changed":
                self._query = message.page_info_changed.query_string
            case "script_finished" if message.script_finished == ForwardMsg.FINISHED_WITH_COMPILE_ERROR:
                await self._fail("the script did not compile")
            case "delta":
                await self._take_element(message)

    async def _take_element(self, message: ForwardMsg) -> None:
        path, delta = tuple(message.metadata.delta_path), message.delta
        if delta.WhichOneof("type") == "add_block" and delta.add_block.WhichOneof("type") == "popover":
            self._popovers.add(path)
        if delta.WhichOneof("type") != "new_element":
            return
        element = delta.new_element
        match kind := element.WhichOneof("type"):
            case "bidi_component":
                self._stage, self._fragment = element.bidi_component.id, delta.fragment_id
                await self._see(element.bidi_component.bytes)
            case "exception":
                await self._fail(f"{element.exception.type}: {element.exception.message}")
            case "slider" | "selectbox" | "button_group":
                if not any(path[: len(popover)] == popover for popover in self._popovers):
                    self._know(getattr(element, kind))

    def _know(self, part: Any) -> None:
        """A control of the sidebar. As in a browser, what it says lasts until the server sets it; a disabled one says nothing."""
        name = part.id.rsplit("-", 1)[-1]
        known = self.controls.get(name)
        if part.disabled:
            self.controls.pop(name, None)
        elif known is None or known.id != part.id or part.set_value:
            self.controls[name] = _widget(part)

    async def _see(self, payload: bytes) -> None:
        found = head(payload)
        body, self._have = found["body"], found["n"]
        if body["ask"] >= self._waiting:
            self._waiting = 0
        if hold := body.get("hold"):
            self.said = hold["trouble"] or hold["status"]
            self.errors += [hold["trouble"]] if hold["trouble"] else []
            again = hold["again"]
        else:
            words = (body["progress"] or {}).get("words") or body["status"]
            self.picture = Picture(found["n"], body["ask"], self._whole_page, body["result"], words, body["more"], len(payload))
            self.pictures += 1
            again = max(body["again"], self._paint) if body["more"] else None
        await self._send()
        if again is not None:
            self._start(self._ask_for_more(found["n"], again))
        async with self._news:
            self._news.notify_all()

    async def _ask_for_more(self, number: int, seconds: float) -> None:
        """After so long, unless something else has come or the visitor wants something else."""
        await asyncio.sleep(seconds)
        if self._have == number and self._wish is None and not self._waiting:
            self._wish = {"more": True}
            await self._send()

    # --- helpers ------------------------------------------------------------------------------------------------------------------

    async def _until(self, condition: Callable[[], bool], seconds: float = WAIT_S) -> None:
        """Raises `Trouble` where it does not come true in time, or something goes wrong before."""
        errors = len(self.errors)
        try:
            async with asyncio.timeout(seconds), self._news:
                await self._news.wait_for(lambda: condition() or len(self.errors) > errors)
        except TimeoutError:
            self.errors.append(f"nothing came for {seconds:g} s")
        if len(self.errors) > errors:
            raise Trouble(self.errors[-1])

    async def _fail(self, words: str) -> None:
        self.errors.append(words)
        async with self._news:
            self._news.notify_all()

    def _start(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _widget(part: Any) -> _Widget:
    """A control with the value that it opens with or is set to, and, of a slider, those that it can be moved to."""
    if hasattr(part, "step") and not part.options:
        steps = round((part.max - part.min) / part.step)
        value = list(part.value if part.set_value else part.default)
        return _Widget(part.id, "double_array_value", value, [part.min + k * part.step for k in range(steps + 1)])
    if hasattr(part, "step"):
        value = list(part.raw_value) if part.set_value else [part.options[int(at)] for at in part.default]
        return _Widget(part.id, "string_array_value", value, list(part.options))
    if hasattr(part, "placeholder"):
        return _Widget(part.id, "string_value", part.raw_value if part.set_value else part.options[part.default], [])
    value = list(part.raw_values) if part.set_value else [part.options[at].content for at in part.default]
    return _Widget(part.id, "string_array_value", value, [])
