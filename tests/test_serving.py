"""What stands between the internet and the pages: options, addresses, limits, the gate, headers, errors."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from ipaddress import ip_network
from typing import Any

import pytest
import streamlit
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import PlainTextResponse
from starlette.types import Message
from streamlit.proto.BackMsg_pb2 import BackendOperationRequest, BackMsg, InstallSkillsRequestPayload
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.Common_pb2 import FileURLsRequest
from streamlit.proto.WidgetStates_pb2 import WidgetState, WidgetStates

from wdviz.serving import assembly, limits, messages, metrics, options
from wdviz.serving.addresses import Addresses
from wdviz.serving.buckets import Bucket, Buckets
from wdviz.serving.errors import Faults
from wdviz.serving.gate import Gate
from wdviz.serving.headers import SecurityHeaders, inline_scripts, policy
from wdviz.serving.limits import Channel, Limits
from wdviz.serving.options import Options
from wdviz.ui import faults

ALLOWED = Options(programs=True)
RERUN = BackMsg(rerun_script=ClientState()).SerializeToString()


def scope_of(path: str = "/", kind: str = "http", client: tuple[str, int] | None = ("192.0.2.1", 5000), **headers: str) -> dict[str, Any]:
    """A request as uvicorn hands it on. Headers are written with underscores."""
    sent = [(name.replace("_", "-").encode(), value.encode()) for name, value in ({"host": "lab.example.edu"} | headers).items()]
    found = {"type": kind, "path": path, "headers": sent, "client": client, "query_string": b"", "method": "GET"}
    return found | {"extensions": {"websocket.http.response": {}}}


def asked(app: Any, scope: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the answer."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request" if scope["type"] == "http" else "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    headers = {name.decode(): value.decode() for name, value in sent[0].get("headers", [])}
    return sent[0].get("status", 0), headers, b"".join(message.get("body", b"") for message in sent)


async def page(scope: Any, receive: Any, send: Any) -> None:
    """The app behind: it accepts each websocket and answers each request."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept", "status": 101})
    else:
        await PlainTextResponse("the page")(scope, receive, send)


# --- options ----------------------------------------------------------------------------------------------------------------------


def test_nothing_is_set_by_default():
    assert options.read({}) == Options()
    assert options.read({"WDVIZ_FRAMES": "  ", "WDVIZ_PORT": "tcp://10.0.0.1:80"}) == Options()  # Kubernetes sets the like of the second


def test_each_option_is_read_from_its_variable():
    assert options.read(
        {
            "WDVIZ_FRAMES": "https://Moodle.example.edu https://*.example.org:8443",
            "WDVIZ_PROXIES": "10.0.0.0/8 2001:db8::1",
            "WDVIZ_METRICS": "[::1]:9464",
            "WDVIZ_CONNECTIONS": "7",
            "WDVIZ_CONNECTIONS_TOTAL": "70",
            "WDVIZ_PROGRAMS": "1",
            "WDVIZ_AHEAD": "all",
        }
    ) == Options(
        frames=("https://moodle.example.edu", "https://*.example.org:8443"),
        proxies=(ip_network("10.0.0.0/8"), ip_network("2001:db8::1")),
        metrics=("::1", 9464),
        connections=7,
        connections_total=70,
        programs=True,
        ahead="all",
    )


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("WDVIZ_FRAMES", "moodle.example.edu"),
        ("WDVIZ_FRAMES", "https://moodle.example.edu/course"),
        ("WDVIZ_FRAMES", "https://a.edu; script-src *"),
        ("WDVIZ_FRAMES", "*"),
        ("WDVIZ_PROXIES", "10.0.0.1/8"),  # a host within a network is no network
        ("WDVIZ_PROXIES", "proxy.example.edu"),
        ("WDVIZ_METRICS", "9464"),
        ("WDVIZ_METRICS", "127.0.0.1:0"),
        ("WDVIZ_METRICS", "127.0.0.1:99999"),
        ("WDVIZ_CONNECTIONS", "0"),
        ("WDVIZ_CONNECTIONS_TOTAL", "many"),
        ("WDVIZ_PROGRAMS", "yes"),
        ("WDVIZ_AHEAD", "everything"),
    ],
)
def test_a_wrong_option_ends_the_start_with_its_name_its_value_and_what_is_allowed(variable, value, monkeypatch):
    monkeypatch.setenv(variable, value)
    with pytest.raises(SystemExit, match=f"^{variable} is {value!r}; it must be .+".replace("*", r"\*")):
        assembly.middleware()


# --- addresses --------------------------------------------------------------------------------------------------------------------

HERE = Options().proxies


@pytest.mark.parametrize(
    ("peer", "forwarded", "visitor"),
    [
        (("192.0.2.1", 5000), None, "192.0.2.1"),
        (("192.0.2.1", 5000), "203.0.113.9", "192.0.2.1"),  # not from a proxy, so it may be made up
        (("127.0.0.1", 5000), "203.0.113.9", "203.0.113.9"),
        (("127.0.0.1", 5000), "198.51.100.1, 203.0.113.9", "203.0.113.9"),  # the first one is what the visitor claimed
        (("127.0.0.1", 5000), "203.0.113.9, 127.0.0.1", "203.0.113.9"),  # two proxies of ours
        (("127.0.0.1", 5000), "203.0.113.9:4711", "203.0.113.9"),
        (("127.0.0.1", 5000), "[2001:db8::7]:4711", "2001:db8::/64"),
        (("203.0.113.9", 0), "203.0.113.9", "203.0.113.9"),  # uvicorn has replaced the peer
        (("2001:db8::1", 5000), None, "2001:db8::/64"),
        (("2001:db8::ffff:1", 5000), None, "2001:db8::/64"),
        (("::ffff:192.0.2.1", 5000), None, "192.0.2.1"),
        (("127.0.0.1", 5000), "garbage", "unknown"),
        (("127.0.0.1", 5000), "", "127.0.0.1"),
        (None, None, "127.0.0.1"),
    ],
)
def test_the_visitor_is_who_a_trusted_proxy_says_and_else_the_peer(peer, forwarded, visitor):
    headers = {} if forwarded is None else {"x_forwarded_for": forwarded}
    assert Addresses(HERE).visitor(scope_of(client=peer, **headers)) == visitor


def test_without_trusted_proxies_no_header_counts():
    replaced = scope_of(client=("203.0.113.9", 0), x_forwarded_for="203.0.113.9")
    assert Addresses(()).visitor(replaced) == "127.0.0.1"


@given(st.text(max_size=200), st.tuples(st.text(max_size=50), st.integers(0, 2)))
def test_no_header_makes_an_address_up(forwarded, peer):
    scope = scope_of(client=peer) | {"headers": [(b"x-forwarded-for", forwarded.encode("utf-8", "replace"))]}
    assert len(Addresses(HERE).visitor(scope)) <= len("ffff:ffff:ffff:ffff::/64")


# --- limits -----------------------------------------------------------------------------------------------------------------------


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_gives_what_it_holds_then_what_flows_in():
    clock = Clock()
    bucket = Bucket(rate=2, burst=3, clock=clock)
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
    clock.now += 1
    assert [bucket.take() for _ in range(3)] == [True, True, False]
    clock.now += 1000
    assert not bucket.take(3.5)
    assert bucket.take(3)


def test_waiting_makes_messages_come_at_the_rate():
    clock = Clock()
    bucket = Bucket(rate=2, burst=1, clock=clock)
    assert [bucket.wait() for _ in range(4)] == [0, 0.5, 1, 1.5]
    clock.now += 1.5
    assert bucket.wait() == 0.5


def test_the_table_of_addresses_is_bounded_and_keeps_those_in_use():
    clock = Clock()
    buckets = Buckets(rate=1, burst=2, most=10, clock=clock)
    assert buckets.take("me", 2)
    for k in range(100):
        buckets.take(f"other {k}")
        assert not buckets.take("me")
    assert len(buckets) == 10
    assert buckets.take("late", 2)
    assert not buckets.take("late")  # a new one has a place, too


def test_too_many_requests_of_one_address_are_refused_and_others_are_not_touched(monkeypatch):
    monkeypatch.setattr(limits, "REQUESTS_AT_ONCE", 3)
    monkeypatch.setattr(limits, "REQUESTS_PER_S", 1e-3)
    app = Limits(page, ALLOWED)
    assert [asked(app, scope_of())[0] for _ in range(4)] == [200, 200, 200, 429]
    _, headers, body = asked(app, scope_of())
    assert (headers["retry-after"], body) == ("1", b"Too many requests from this address; wait a second.\n")
    assert asked(app, scope_of(client=("192.0.2.2", 5000)))[0] == 200
    assert asked(app, scope_of("/_stcore/health"))[0] == 200  # whoever watches the server must not take it for dead


def test_drawing_a_code_and_opening_a_session_count_for_more(monkeypatch):
    monkeypatch.setattr(limits, "REQUESTS_AT_ONCE", 25)
    monkeypatch.setattr(limits, "REQUESTS_PER_S", 1e-3)
    assert [asked(app, scope_of("/qr.svg"))[0] for app in [Limits(page, ALLOWED)] for _ in range(2)] == [200, 429]
    assert [asked(app, scope_of(kind="websocket"))[0] for app in [Limits(page, ALLOWED)] for _ in range(3)] == [101, 101, 429]


def held(app: Limits, *clients: str, then: Callable[[], Awaitable[None]]) -> None:
    """Open websockets from addresses, do something, let go of them."""

    async def run() -> None:
        leave = asyncio.Event()
        inner = app._app

        async def stays(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "websocket":
                await leave.wait()
            await inner(scope, receive, send)

        app._app = stays
        tasks = [asyncio.create_task(app(scope_of(kind="websocket", client=(client, 1)), _nothing, _nowhere)) for client in clients]
        await asyncio.sleep(0)
        await then()
        leave.set()
        await asyncio.gather(*tasks)

    asyncio.run(run())


async def _nothing() -> Any:
    return {"type": "websocket.connect"}


async def _nowhere(message: Any) -> None:
    pass


async def status_of(app: Any, scope: dict[str, Any]) -> tuple[int, bytes]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, _nothing, send)
    return sent[0].get("status", 0), b"".join(message.get("body", b"") for message in sent)


def test_sessions_of_one_address_are_bounded():
    app = Limits(page, Options(connections=2))

    async def then() -> None:
        refused = metrics.REFUSED.labels("connections")._value.get()
        assert (await status_of(app, scope_of(kind="websocket", client=("192.0.2.1", 1))))[0] == 429
        assert metrics.REFUSED.labels("connections")._value.get() == refused + 1
        assert (await status_of(app, scope_of(client=("192.0.2.1", 1), accept="text/html")))[0] == 200

    held(app, "192.0.2.1", "192.0.2.1", "192.0.2.2", then=then)
    assert not app._open  # all are counted out again
    assert asked(app, scope_of(kind="websocket"))[0] == 101


def test_a_full_server_says_so_on_a_page_that_tries_again_by_itself():
    app = Limits(page, Options(connections_total=2))

    async def then() -> None:
        status, body = await status_of(app, scope_of(accept="text/html,*/*", client=("192.0.2.3", 1)))
        assert status == 503
        assert b"The server is full" in body
        assert b'http-equiv="refresh"' in body
        assert (await status_of(app, scope_of(kind="websocket", client=("192.0.2.3", 1))))[0] == 503
        assert (await status_of(app, scope_of("/assets/1/stage.js", client=("192.0.2.3", 1))))[0] == 200  # pages that are open go on

    held(app, "192.0.2.1", "192.0.2.2", then=then)
    assert asked(app, scope_of(accept="text/html"))[0] == 200


# --- messages ---------------------------------------------------------------------------------------------------------------------


def received(*sent: dict[str, Any], rate: float = 1e9, burst: float = 1e9) -> tuple[list[Message], list[Message]]:
    """What the app receives of these messages, and what the browser gets."""
    left = [*sent, {"type": "websocket.disconnect", "code": 1000}]
    out: list[Message] = []

    async def receive() -> Any:
        return left.pop(0)

    async def send(message: Any) -> None:
        out.append(message)

    async def run() -> list[Message]:
        channel = Channel(receive, send, Bucket(rate, burst))
        found = [await channel.receive()]
        while found[-1]["type"] == "websocket.receive":
            found.append(await channel.receive())
        await channel.send({"type": "websocket.send", "bytes": b"late"})
        return found

    return asyncio.run(run()), out


def binary(data: bytes) -> dict[str, Any]:
    return {"type": "websocket.receive", "bytes": data}


def test_what_pages_send_passes():
    found, _ = received(binary(RERUN), binary(BackMsg(stop_script=True).SerializeToString()))
    assert [message.get("bytes") for message in found] == [RERUN, BackMsg(stop_script=True).SerializeToString(), None]


@pytest.mark.parametrize(
    "said",
    [
        BackMsg(clear_cache=True),
        BackMsg(load_git_info=True),
        BackMsg(set_run_on_save=True),
        BackMsg(debug_shutdown_runtime=True),
        BackMsg(file_urls_request=FileURLsRequest(request_id="1", file_names=["a"] * 100)),
        BackMsg(backend_operation_request=BackendOperationRequest(install_skills=InstallSkillsRequestPayload())),
        BackMsg(rerun_script=ClientState(fragment_id="x" * 200 + "\nforged line of the log")),
        BackMsg(rerun_script=ClientState(page_script_hash="../page")),
        BackMsg(rerun_script=ClientState(widget_states=WidgetStates(widgets=[WidgetState(id="a", json_trigger_value="[" * 5000)]))),
        BackMsg(rerun_script=ClientState(widget_states=WidgetStates(widgets=[WidgetState(id="a", json_value="no JSON")]))),
        BackMsg(),
    ],
)
def test_what_would_touch_others_or_the_server_is_dropped(said):
    found, out = received(binary(said.SerializeToString()), binary(RERUN))
    assert [message.get("bytes") for message in found] == [RERUN, None]
    assert out == [{"type": "websocket.send", "bytes": b"late"}]


def test_a_page_that_was_left_gets_nothing_more():
    def said(page: str, fragment: str = "") -> dict[str, Any]:
        return binary(BackMsg(rerun_script=ClientState(page_script_hash=page, fragment_id=fragment)).SerializeToString())

    first, ask, second, late = said(""), said("a", "f"), said("b"), said("a", "f")
    found, _ = received(first, ask, second, late, said("b", "f"), said("b"), said("c"), late, said("b", "f"), said("a"), ask)
    assert found[:-1] == [first, ask, second, said("b", "f"), said("b"), said("c"), said("a"), ask]


def test_no_more_pages_are_remembered_than_a_browser_can_still_speak_for():
    judge = messages.Judge()
    for page in range(10_000):
        judge(binary(BackMsg(rerun_script=ClientState(page_script_hash=f"{page:x}")).SerializeToString()))
    assert len(judge._left) == messages.MOST_LEFT


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (binary(b"\xff" * 20), messages.MALFORMED),
        ({"type": "websocket.receive", "text": "hello"}, messages.NOT_BINARY),
        (binary(b"\x00" * (messages.LONGEST + 1)), messages.TOO_LONG),
    ],
)
def test_what_no_page_sends_ends_the_websocket_and_nothing_is_sent_after_that(message, code):
    found, out = received(message, binary(RERUN))
    assert found == [{"type": "websocket.disconnect", "code": code}]
    assert out == [{"type": "websocket.close", "code": code}]


def test_too_many_messages_wait_and_a_flood_ends_the_websocket(monkeypatch):
    monkeypatch.setattr(limits, "FLOOD", 5)
    found, out = received(*[binary(RERUN)] * 20, rate=20, burst=4)
    assert sum("bytes" in message for message in found) == 4 + 5
    assert found[-1] == {"type": "websocket.disconnect", "code": 1008}
    assert out == [{"type": "websocket.close", "code": 1008}]


# --- the gate ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/", "/tuning", "/static/js/index.js", "/assets/1/stage.js", "/media/1.csv", "/_stcore/host-config", "/application"]
)
def test_pages_and_what_they_need_pass(path):
    assert asked(Gate(page, ALLOWED), scope_of(path))[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        "/_stcore/metrics",
        "/_stcore/upload_file/a/b",
        "/_stcore/script-health-check",
        "/_stcore/agent/mcp",
        "/_stcore/bidi-components/a/b",
        "/_stcore",
        "/component/x/index.html",
        "/auth/login",
        "/oauth2callback",
        "/app/static/secret",
    ],
)
def test_what_no_page_needs_is_closed(path):
    assert asked(Gate(page, ALLOWED), scope_of(path))[0] == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
def test_nothing_is_taken_from_visitors_by_http(method):
    assert asked(Gate(page, ALLOWED), scope_of() | {"method": method})[0] == 405


@pytest.mark.parametrize(
    ("origin", "headers", "status"),
    [
        ("https://lab.example.edu", {}, 101),
        ("https://LAB.example.edu", {}, 101),
        ("https://lab.example.edu.evil.org", {}, 403),
        ("https://evil.org", {}, 403),
        ("https://lab.example.edu:8443", {}, 403),
        ("null", {}, 403),
        ("http://localhost", {}, 403),  # Streamlit would let it in
        (None, {}, 403),
        ("https://front.example.edu", {"x_forwarded_host": "front.example.edu"}, 403),  # not from a proxy
    ],
)
def test_a_session_is_opened_by_our_own_pages_alone(origin, headers, status):
    sent = headers if origin is None else {**headers, "origin": origin}
    assert asked(Gate(page, Options()), scope_of("/_stcore/stream", "websocket", **sent))[0] == status


def test_a_trusted_proxy_says_how_the_visitor_calls_the_server():
    given = {"origin": "https://front.example.edu", "x_forwarded_host": "front.example.edu"}
    assert asked(Gate(page, Options()), scope_of("/_stcore/stream", "websocket", ("127.0.0.1", 1), **given))[0] == 101


def test_programs_may_open_sessions_where_that_is_set():
    assert asked(Gate(page, Options(programs=True)), scope_of("/_stcore/stream", "websocket"))[0] == 101


# --- headers and errors -----------------------------------------------------------------------------------------------------------


def test_every_answer_has_the_security_headers():
    for app in (page, Gate(page, ALLOWED), Limits(page, ALLOWED)):
        _, headers, _ = asked(SecurityHeaders(app, Options()), scope_of("/_stcore/metrics"))
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert "camera=()" in headers["permissions-policy"]
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert "frame-ancestors 'self'" in headers["content-security-policy"]


def test_the_policy_allows_no_eval_and_no_inline_script_but_streamlits_own():
    given = dict(part.split(" ", 1) for part in policy((), inline_scripts(), "lab.example.edu").split("; "))
    assert given["default-src"] == "'none'"
    assert given["frame-ancestors"] == "'self'"
    assert given["connect-src"] == "'self' ws://lab.example.edu wss://lab.example.edu"
    scripts = given["script-src"].split(" ")
    assert scripts[:2] == ["'self'", "blob:"]
    assert len(scripts) > 2
    assert all(source.startswith("'sha256-") for source in scripts[2:])
    assert "unsafe-eval" not in str(given)


def test_course_sites_that_are_set_may_show_the_app_in_a_frame():
    assert policy(("https://moodle.example.edu",), ()).endswith("frame-ancestors 'self' https://moodle.example.edu")


@pytest.mark.parametrize("host", ["a; script-src *", "a b", "", "a'", "é"])
def test_a_made_up_host_adds_nothing_to_the_policy(host):
    assert policy((), (), host) == policy((), ())


def test_an_unforeseen_error_is_logged_with_an_id_and_the_visitor_gets_the_id_alone(caplog):
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("secret /home/wdviz/key")

    with caplog.at_level(logging.ERROR, "wdviz"):
        status, _, body = asked(Faults(broken), scope_of())
    (record,) = caplog.records
    name = record.getMessage().split()[1]
    assert status == 500
    assert body == f"Something went wrong on the server (error {name}). Change a setting or reload the page to try again.\n".encode()
    assert "secret /home/wdviz/key" in caplog.text


def test_errors_made_on_purpose_do_not_fill_the_log(caplog):
    def broken() -> None:
        raise RuntimeError("x" * 10_000 + "\nforged line")

    def within_streamlit() -> None:
        streamlit.get_option("no such option\nforged line")

    with caplog.at_level(logging.ERROR, "wdviz"):
        for provoke in (broken, broken, within_streamlit):
            try:
                provoke()
            except RuntimeError as error:
                faults.record(error, "a page")
                faults.record(error, "a page")  # on its way up it may be met twice
    assert len(caplog.records) == 3
    assert [record.exc_info is not None for record in caplog.records[1:]] == [False, False]  # the first, within a second of another test's
    for record in caplog.records:
        assert "\n" not in record.getMessage()
        assert len(record.getMessage()) < 1000
    assert "test_serving.py" in caplog.records[2].getMessage() or "config.py" in caplog.records[2].getMessage()


def test_an_error_after_the_answer_has_begun_is_logged_and_nothing_is_added(caplog):
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        await page(scope, receive, send)
        raise RuntimeError("too late")

    with caplog.at_level(logging.ERROR, "wdviz"):
        assert asked(Faults(broken), scope_of())[2] == b"the page"
    assert "too late" in caplog.text
