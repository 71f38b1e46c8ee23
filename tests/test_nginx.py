"""nginx with .deploy/nginx.conf in front of two app processes, each started by the image's own command from the image's own files."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import http.client
import http.cookies
import http.server
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests import image, serving
from tests.benchmarks.visitors import Trouble, Visitor
from wdviz.ui import files

CONFIGURATION = image.ROOT / ".deploy" / "nginx.conf"
PATIENCE_S = 60
START_S = 180  # of two processes at once, which may have to compile their programs
COOKIE = "wdviz_at"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def cookie(self) -> str:
        """The process that the visitor is to stay with, where the answer says so."""
        found = http.cookies.SimpleCookie(self.headers.get("Set-Cookie", ""))
        return found[COOKIE].value if COOKIE in found else ""


@dataclass
class Front:
    """A running nginx, and what it said of each request: the address, the status, who answered it, the cookie that came with it."""

    port: int
    log: Path
    connection: http.client.HTTPConnection = field(init=False)

    def __post_init__(self) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, path: str, cookie: str = "", method: str = "GET", **headers: str) -> Answer:
        """One request. Names of headers are written with underscores."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection.request(method, path, headers=named | ({"Cookie": f"{COOKIE}={cookie}"} if cookie else {}))
        response = self.connection.getresponse()
        return Answer(response.status, response.msg, response.read())

    def answered_by(self, cookie: str, path: str = "/", request: int = 1) -> str:
        """The port of the process that answered a request with this cookie, the first or of that number; "-" where none was asked."""
        return wait_for(lambda: self.lines(cookie, path)[request - 1 :])[0][2].rpartition(":")[2]

    def lines(self, cookie: str, path: str) -> list[list[str]]:
        """What was logged of such requests, in the order in which they ended."""
        lines = [line.split("\t") for line in self.log.read_text().splitlines()]
        return [line for line in lines if line[0] == path and line[3] == cookie]


def wait_for(condition: Callable[[], Any], seconds: float = PATIENCE_S) -> Any:
    """What `condition` gives once that is true."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.02)
    return found


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


@contextlib.contextmanager
def nginx(folder: Path, first: int, second: int) -> Iterator[Front]:
    """nginx with the project's configuration, in front of two ports. Its own ports and folders are other ones, and it keeps a log."""
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}{os.pathsep}/usr/sbin")
    if not program:
        say = pytest.fail if os.environ.get("CI") else pytest.skip
        say("these tests need nginx (Debian: apt-get install nginx)")
    (front,) = free_ports(1)
    log, told = folder / "access", "$uri\\t$status\\t$upstream_addr\\t$cookie_wdviz_at"
    text = CONFIGURATION.read_text()
    for old, new in [
        ("app1:8501", f"127.0.0.1:{first}"),
        ("app2:8501", f"127.0.0.1:{second}"),
        ("listen 8080;", f"listen 127.0.0.1:{front};"),
        ("/tmp/", f"{folder}/"),
        ("access_log off;", f'log_format told "{told}"; access_log {log} told;'),
    ]:
        assert old in text
        text = text.replace(old, new)
    (folder / "nginx.conf").write_text(text)
    errors, user = folder / "errors", "" if os.geteuid() else "user root;"  # as root it would give up its right to the folder
    with errors.open("w") as output:
        process = subprocess.Popen([program, "-c", str(folder / "nginx.conf"), "-g", f"daemon off; {user}"], stdout=output, stderr=output)
    try:
        wait_for(lambda: process.poll() is not None or accepts(front))
        assert process.poll() is None, errors.read_text()
        found = Front(front, log)
        yield found
        found.connection.close()
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@dataclass(frozen=True)
class Site:
    front: Front
    apps: dict[str, subprocess.Popen[bytes]]  # by port


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Two app processes as in the image, behind nginx."""
    folder, app = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("image") / "app"
    image.lay(app)
    ports = free_ports(2)
    environment = {**image.environment(), "PYTHONPATH": str(app), "PATH": os.environ["PATH"], "WDVIZ_CACHE": os.environ["WDVIZ_CACHE"]}
    with contextlib.ExitStack() as stack:
        front = stack.enter_context(nginx(folder, *ports))
        apps = {}
        for port in ports:
            command = [word.replace("8501", str(port)) for word in image.last("CMD").words]
            output = stack.enter_context((folder / f"app-{port}").open("w+b"))
            apps[str(port)] = stack.enter_context(start(command, app, environment, output))
        for port, process in apps.items():
            wait_for(lambda: process.poll() is not None or serving._healthy(int(port)), START_S)  # noqa: B023
            assert process.poll() is None, (folder / f"app-{port}").read_text()
        yield Site(front, apps)


@contextlib.contextmanager
def start(command: list[str], folder: Path, environment: dict[str, str], output: Any) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", *command]
    with subprocess.Popen(
        command, cwd=folder, env=os.environ | environment, stdout=output, stderr=output, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            serving._stop(process)


def test_the_image_s_files_and_command_are_enough_for_its_health_check(site: Site):
    check = image.Step("CMD", image.last("HEALTHCHECK").text.partition(" CMD ")[2]).words
    for port in site.apps:
        subprocess.run([sys.executable, *(word.replace("8501", port) for word in check[1:])], check=True)
    unhealthy = [word.replace("8501", "9") for word in check[1:]]
    assert subprocess.run([sys.executable, *unhealthy], capture_output=True).returncode != 0


def test_a_session_goes_through(site: Site):
    async def visit() -> int:
        visitor = Visitor(site.front.url)
        await visitor.open()
        await visitor.ask({"decay": "3"})
        await visitor.vanish()
        return visitor.pictures

    assert asyncio.run(visit()) >= 2


def test_a_visitor_stays_with_one_process_and_visitors_spread(site: Site):
    front, seen = site.front, set()
    for _ in range(64):
        cookie = front.ask("/").cookie
        assert re.fullmatch("[0-9a-f]{32}", cookie)
        assert not front.ask("/", cookie).cookie
        here = front.answered_by(cookie)
        for path in ("/_stcore/health", "/_stcore/host-config"):
            front.ask(path, cookie)
            assert front.answered_by(cookie, path) == here
        seen.add(here)
        if seen == set(site.apps):
            return
    pytest.fail(f"64 visitors went to {seen}")


def test_the_websocket_goes_to_the_visitor_s_process(site: Site):
    async def visit(cookie: str) -> None:
        visitor = Visitor(site.front.url, cookie=f"{COOKIE}={cookie}")
        await visitor.open()
        await visitor.vanish()

    cookie = site.front.ask("/").cookie
    site.front.ask("/", cookie)
    asyncio.run(visit(cookie))
    assert site.front.answered_by(cookie, "/_stcore/stream") == site.front.answered_by(cookie)


@pytest.mark.parametrize("kind", ["stage", "streamlit"])
def test_files_are_compressed_and_kept(site: Site, kind: str):
    front = site.front
    path = files.url("stage.js") if kind == "stage" else re.findall(r'src="\.?(/static/js/[^"]+)', front.ask("/").body.decode())[0]
    first = front.ask(path, accept_encoding="gzip")
    again = front.ask(f"{path}?x=1", accept_encoding="gzip")
    plain = front.ask(path)
    assert {answer.status for answer in (first, again, plain)} == {200}
    assert [answer.headers["X-Cache"] for answer in (first, again, plain)] == ["MISS", "HIT", "HIT"]
    assert [answer.headers["Content-Encoding"] for answer in (first, again, plain)] == ["gzip", "gzip", None]
    assert gzip.decompress(first.body) == gzip.decompress(again.body) == plain.body
    assert len(first.body) < len(plain.body) / 2
    assert "immutable" in first.headers["Cache-Control"]
    assert not first.cookie


def test_pages_are_compressed_and_not_kept(site: Site):
    answer = site.front.ask("/tuning", accept_encoding="gzip", accept="text/html")
    assert (answer.status, answer.headers["Content-Encoding"]) == (200, "gzip")
    assert "Content-Security-Policy" in answer.headers
    assert "X-Cache" not in answer.headers
    assert "nginx/" not in answer.headers["Server"]


@pytest.mark.parametrize(
    "path", ["/_stcore/metrics", "/_stcore/script-health-check", "/_stcore/upload_file/a/b", "/_stcore/agent/openapi.json", "/_stcore/"]
)
def test_internal_addresses_end_at_nginx(site: Site, path: str):
    assert site.front.ask(path, cookie="internal").status == 404
    assert site.front.answered_by("internal", path) == "-"


def test_nothing_but_reading_reaches_the_app(site: Site):
    methods = ("POST", "PUT", "DELETE", "OPTIONS")
    assert {site.front.ask("/", cookie="writing", method=method).status for method in methods} == {405}
    assert {site.front.answered_by("writing", request=k) for k in range(1, len(methods) + 1)} == {"-"}


class _Echo(http.server.BaseHTTPRequestHandler):
    """Answers with the headers that came."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one message an answer

    def do_GET(self) -> None:
        body = str(self.headers).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def echo(tmp_path: Path) -> Iterator[Front]:
    """nginx in front of a server that tells which headers reached it."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Echo) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            with nginx(tmp_path, server.server_port, server.server_port) as front:
                yield front
        finally:
            server.shutdown()
            thread.join()


def test_visitors_cannot_say_who_they_are(echo: Front):
    for path in ("/", "/_stcore/stream", files.url("stage.js")):
        told = echo.ask(path, x_forwarded_for="192.0.2.7", x_forwarded_host="evil.example", host="lab.example:8443").body.decode()
        assert re.findall("(?i)^x-forwarded-(for|host): (.*)$", told, re.MULTILINE) == [("For", "127.0.0.1")], path
        assert "Host: lab.example:8443" in told


def test_a_flood_of_sessions_is_refused_and_pages_are_still_served(echo: Front):
    asked = next(count for count in range(1, 5000) if echo.ask("/_stcore/stream").status == 429)
    assert asked > 150  # two lecture halls may come in at once
    assert echo.ask("/").status == 200


def test_where_a_process_ends_the_other_one_goes_on(site: Site):
    """The last test of this file: one of the two processes is gone after it."""
    front = site.front

    async def stay() -> None:
        cookie = front.ask("/").cookie
        visitor = Visitor(front.url, cookie=f"{COOKIE}={cookie}")
        await visitor.open()
        front.ask("/", cookie)
        ended = front.answered_by(cookie)
        os.killpg(site.apps[ended].pid, signal.SIGKILL)
        with pytest.raises(Trouble, match="closed"):
            await visitor._until(lambda: False)
        await visitor.vanish()
        await visitor.open()  # as the page does by itself
        await visitor.ask({"decay": "7"})
        await visitor.vanish()
        assert front.answered_by(cookie, "/_stcore/stream", request=2) != ended

    asyncio.run(stay())
    answers = [front.ask("/") for _ in range(20)]
    assert {answer.status for answer in answers} == {200}
    assert {front.ask("/", answer.cookie).status for answer in answers} == {200}
