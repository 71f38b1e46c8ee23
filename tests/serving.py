"""The real app in a process of its own, for the browser tests and for measuring."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parents[1]
START_SECONDS = 240  # on cores shared with other tests, and perhaps with nothing compiled yet
POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Server:
    """The app, answering at `url`, which has no slash at its end; `seconds` passed until it said that it is healthy."""

    url: str
    port: int
    process: subprocess.Popen[bytes]
    seconds: float


def free_port() -> int:
    """One that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def serve(log: IO[bytes], **environment: str) -> Iterator[tuple[str, float]]:
    """The base address of the app, without a slash at its end, and the seconds until it said that it is healthy. It writes to `log`.

    Raises:
        RuntimeError: if it stops, or is not healthy in time; with the end of the log.
    """
    with running(log, 0, "app.py", **environment) as server:
        yield server.url, server.seconds


@contextlib.contextmanager
def running(
    log: IO[bytes], port: int = 0, script: str = "app.py", *, program: str = "", folder: Path | str = ROOT, **environment: str
) -> Iterator[Server]:
    """As `serve`, with the process itself; at a `port` of one's own choice, for a server that takes the place of another.

    `script`: another entry point, as seen from `folder`, in which it starts. `program`: the installed command `wdviz`, in its place.
    """
    port = port or free_port()
    streamlit = [sys.executable, "-m", "streamlit", "run", script, "--server.address", "127.0.0.1", "--server.port", str(port)]
    command = [program, "--port", str(port)] if program else streamlit
    started = time.monotonic()
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=os.environ | {"PYTHONUNBUFFERED": "1", "WDVIZ_AHEAD": "none"} | environment,  # the cores are for what is looked at
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        while not _healthy(port):
            if process.poll() is not None or time.monotonic() - started > START_SECONDS:
                log.seek(0)
                raise RuntimeError("the server did not start:\n" + log.read().decode(errors="replace")[-5000:])
            time.sleep(POLL_SECONDS)
        yield Server(f"http://127.0.0.1:{port}", port, process, time.monotonic() - started)
    finally:
        _stop(process)


def _healthy(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/_stcore/health")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ends the server and all that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
