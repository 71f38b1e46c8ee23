"""The real server as a stranger meets it: what it answers, what it refuses, what it survives."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from streamlit.proto.BackMsg_pb2 import BackendOperationRequest, BackMsg, DeferredFileRequestPayload
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState, WidgetStates
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin, Subprotocol

from tests.benchmarks.visitors import Visitor
from tests.serving import ROOT, free_port, running

# The app itself, in which two addresses break a page: outside of what the stage shows, and within.
BROKEN = """
import streamlit as st

from wdviz.serving import assembly
from wdviz.ui import live, prose


def breaking(function, where):
    def broken(*args, **kwargs):
        if st.query_params.get("contrast") == where:
            raise RuntimeError("secret /etc/wdviz.key")
        return function(*args, **kwargs)

    return broken


prose.sections = breaking(prose.sections, "outside")
live.notes_for = breaking(live.notes_for, "within")

app = st.App(assembly.ROUTER, **assembly.around())
"""


@dataclass(frozen=True)
class Server:
    url: str
    metrics: str
    log: Path

    def logged(self) -> str:
        return self.log.read_text(errors="replace")

    def metric(self, name: str) -> float:
        with urllib.request.urlopen(self.metrics) as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith((f"{name} ", f"{name}{{")))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    (folder / "app.py").write_text(BROKEN)
    port = free_port()
    with (
        (folder / "log").open("w+b") as log,
        running(log, script=str(folder / "app.py"), WDVIZ_METRICS=f"127.0.0.1:{port}") as found,
    ):
        yield Server(found.url, f"http://127.0.0.1:{port}/metrics", folder / "log")


def answer(url: str, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    connection.request(method, path, headers=headers)
    found = connection.getresponse()
    body = found.read()
    connection.close()
    return found.status, {name.lower(): value for name, value in found.getheaders()}, body


def opening(server: Server, origin: str | None) -> Any:
    address = server.url.replace("http", "ws", 1) + "/_stcore/stream"
    said = Origin(origin) if origin else None
    return connect(address, origin=said, subprotocols=[Subprotocol("streamlit")], max_size=None, proxy=None)


async def honest(server: Server) -> None:
    """A visitor opens a page, moves a slider, and gets a picture of it."""
    visitor = Visitor(server.url)
    await visitor.open()
    await visitor.ask({"decay": "5"})
    assert visitor.picture is not None
    assert not visitor.errors
    await visitor.vanish()


# --- answers ----------------------------------------------------------------------------------------------------------------------


PATHS = ["/", "/tuning?embed=true", "/_stcore/health", "/_stcore/metrics", "/static/none.js", "/qr.svg", "/media/none"]


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_has_the_security_headers(server, path):
    _, headers, _ = answer(server.url, path, Accept="text/html")
    assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self' blob: 'sha256-")
    assert headers["x-content-type-options"] == "nosniff"


def test_streamlits_own_metrics_and_uploads_are_not_public(server):
    assert answer(server.url, "/_stcore/metrics")[0] == 404
    assert answer(server.url, "/_stcore/upload_file/a/b", "PUT")[0] == 405
    assert answer(server.url, "/_stcore/agent/openapi.json")[0] == 404


@pytest.mark.parametrize("origin", [None, "https://evil.example.org", "null", "http://localhost:1"])
def test_a_page_of_another_site_opens_no_session(server, origin):
    async def attempt() -> None:
        with pytest.raises(InvalidStatus) as refused:
            await opening(server, origin)
        assert refused.value.response.status_code == 403

    asyncio.run(attempt())


def test_whoever_runs_the_server_sees_how_it_is(server):
    async def watched() -> tuple[float, float]:
        visitor = Visitor(server.url)
        await visitor.open()
        seen = server.metric("wdviz_connections"), server.metric("wdviz_sessions")
        await visitor.vanish()
        return seen

    assert asyncio.run(watched()) == (1, 1)
    assert server.metric("wdviz_run_seconds_count") > 10  # the warm-up alone
    assert server.metric("wdviz_run_seconds_bucket") >= server.metric("wdviz_run_seconds_count")
    assert server.metric("wdviz_cache_entries") > 10
    assert server.metric("wdviz_cache_bytes") > 10_000
    assert server.metric("wdviz_refused_total") > 0
    assert server.metric("wdviz_workers") > 0
    assert server.metric("process_resident_memory_bytes") > 1e8


def test_what_start_up_left_is_out_of_the_garbage_collectors_sight(server):
    assert server.metric("wdviz_frozen_objects") > 100_000


# --- errors -----------------------------------------------------------------------------------------------------------------------


class Witness(Visitor):
    """A visitor who writes down everything that comes, and what it is told instead of a picture, by the stage or in its place."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.seen = b""
        self.finished = asyncio.Event()

    async def _take(self, message: ForwardMsg) -> None:
        self.seen += message.SerializeToString()
        if message.delta.new_element.alert.body:
            self.errors.append(message.delta.new_element.alert.body)
        if message.WhichOneof("type") == "script_finished":
            self.finished.set()
        await super()._take(message)


@pytest.mark.parametrize("where", ["outside", "within"])
def test_a_page_that_breaks_says_so_with_an_id_and_touches_nobody_else(server, where):
    async def both() -> tuple[bytes, list[str]]:
        neighbour, victim = Visitor(server.url), Witness(server.url, "", f"contrast={where}")
        await neighbour.open()
        victim._socket = websocket = await opening(server, server.url)
        victim._start(victim._listen(websocket))
        await victim._run()
        await asyncio.wait_for(victim.finished.wait(), 30)
        await neighbour.ask({"decay": "7"})
        assert not neighbour.errors
        await victim.vanish()
        await neighbour.vanish()
        return victim.seen, victim.errors

    before, errors = server.logged().count("RuntimeError('secret /etc/wdviz.key')"), server.metric("wdviz_errors_total")
    seen, (told,) = asyncio.run(both())
    assert server.metric("wdviz_errors_total") == errors + 1
    found = re.fullmatch(r"Something went wrong on the server \(error ([0-9a-f]{8})\)\. Change .+ again\.", told)
    assert found
    for leak in (b"secret", b"/etc", b"Traceback", b"RuntimeError", str(ROOT).encode()):
        assert leak not in seen
    assert server.logged().count("RuntimeError('secret /etc/wdviz.key')") == before + 1
    assert f"Error {found[1]} in a page" in server.logged()


# --- hostile messages -------------------------------------------------------------------------------------------------------------

NASTY = ["", "../../etc/passwd", "\x00", "é" * 5000, "tuning", "decay=nan&decay=1e999", "%ff%00=1"]
WORDS = st.one_of(st.text(max_size=30), st.sampled_from(NASTY))
PLAIN = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.sampled_from([2**53, -1, 1e308, "9" * 400])),
    lambda part: st.one_of(st.lists(part, max_size=4), st.dictionaries(st.text(max_size=8), part, max_size=4)),
    max_leaves=8,
)
SETTINGS = st.sampled_from(["decay", "edits", "steps", "seed", "model", "dataset", "nothing"])
ASKED = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(("id", "have", "picked", "live", "film", "notice", "more", "stop"), PLAIN)
    | {"put": st.one_of(PLAIN, st.dictionaries(SETTINGS, PLAIN))},
)


@st.composite
def widgets(draw: st.DrawFn, ids: list[str]) -> WidgetState:
    """What a browser says of a control, of any type, true or made up."""
    state = WidgetState(id=draw(st.one_of(st.sampled_from(ids), WORDS)))
    kind = draw(st.integers(0, 8))
    if kind < 3:  # the stage's own
        asked = json.dumps([{"event": draw(st.sampled_from(["ask", "other"])), "value": draw(st.one_of(ASKED, PLAIN))}])
        state.json_trigger_value = asked if kind else draw(WORDS)
    elif kind == 3:
        state.string_value = draw(WORDS)
    elif kind == 4:
        state.double_array_value.data.extend(draw(st.lists(st.floats(), max_size=3)))
    elif kind == 5:
        state.string_array_value.data.extend(draw(st.lists(WORDS, max_size=3)))
    elif kind == 6:
        state.json_value = draw(st.one_of(WORDS, PLAIN.map(json.dumps)))
    elif kind == 7:
        state.int_value = draw(st.integers(-(2**63), 2**63 - 1))
    else:
        state.trigger_value = draw(st.booleans())
    return state


def hostile(ids: list[str], fragment: str, page: str) -> st.SearchStrategy[bytes | str]:
    """Messages that no browser sends."""
    states = st.lists(widgets(ids), max_size=4).map(lambda found: WidgetStates(widgets=found))
    runs = st.builds(
        ClientState,
        query_string=WORDS,
        widget_states=states,
        page_script_hash=st.one_of(st.just(page), WORDS),
        page_name=WORDS,
        fragment_id=st.one_of(st.just(fragment), st.just(fragment), WORDS),
        is_auto_rerun=st.booleans(),
        cached_message_hashes=st.lists(WORDS, max_size=3),
    )
    files = st.builds(DeferredFileRequestPayload, file_id=WORDS)
    operations = st.builds(BackendOperationRequest, request_id=WORDS, session_id=WORDS, deferred_file=files)
    unwanted = BackMsg(clear_cache=True), BackMsg(stop_script=True), BackMsg(debug_shutdown_runtime=True), BackMsg(load_git_info=True)
    told = st.one_of(
        st.builds(BackMsg, rerun_script=runs),
        st.builds(BackMsg, rerun_script=runs),
        st.builds(BackMsg, rerun_script=runs),
        st.builds(BackMsg, backend_operation_request=operations),
        st.sampled_from(unwanted),
    ).map(BackMsg.SerializeToString)
    return st.one_of(told, told, told, told, told, st.binary(max_size=200), st.just("text"), st.just(b"\x00" * 300_000))


RERUN = BackMsg(rerun_script=ClientState()).SerializeToString()


@dataclass(frozen=True)
class Known:
    """What an attacker knows from a session of her own."""

    ids: list[str]
    fragment: str
    page: str


@pytest.fixture(scope="module")
def known(server: Server) -> Known:
    async def look() -> Known:
        visitor = Visitor(server.url)
        await visitor.open()
        await visitor.settle()  # the sidebar comes after the first picture
        await visitor.vanish()
        controls = [control.id for control in visitor.controls.values()]
        stage = [visitor._stage, f"$$STREAMLIT_INTERNAL_KEY_{visitor._stage}__events"]
        return Known(stage * 10 + controls, visitor._fragment, visitor._page_hash)

    return asyncio.run(look())


async def finish(websocket: ClientConnection) -> None:
    """Wait until a script run is over."""
    while ForwardMsg.FromString(await websocket.recv(decode=False)).WhichOneof("type") != "script_finished":
        pass


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
)
@given(data=st.data())
def test_no_message_harms_the_server_or_those_who_come_after(server, known, data):
    sent = data.draw(st.lists(hostile(known.ids, known.fragment, known.page), min_size=3, max_size=12))

    async def attack() -> None:
        async with opening(server, server.url) as websocket:
            try:
                await websocket.send(RERUN)
                await finish(websocket)
                for message in sent:
                    await websocket.send(message)
                await websocket.send(RERUN)
                await finish(websocket)
            except ConnectionClosed:
                codes.append(websocket.close_code)

    codes: list[int | None] = []
    before = server.logged()
    asyncio.run(attack())
    assert {*codes} <= {1002, 1003, 1009}
    asyncio.run(honest(server))
    assert "Traceback" not in server.logged()[len(before) :]
