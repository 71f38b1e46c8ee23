"""The running app and visits to it, for measuring."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Browser, Page

ROOT = Path(__file__).parents[2]
WAIT_MS = 60_000

IDLE = """() => {
  const stage = document.querySelector(".wd-stage");
  return stage && +stage.dataset.updates > 0 && !stage.dataset.status;
}"""


@contextlib.contextmanager
def visit(browser: Browser, url: str, script: str = "") -> Iterator[Page]:
    """A page in a context of its own, so with an empty cache, that has just been sent to `url`. `script` runs before any of the page."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(WAIT_MS)
    context.add_init_script(script)
    page = context.new_page()
    page.goto(url, wait_until="commit")
    yield page
    context.close()


@contextlib.contextmanager
def server(cache: str) -> Iterator[tuple[str, float]]:
    """The base address of the real app in a process of its own, and the seconds until it said that it is healthy."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.address", "127.0.0.1", "--server.port", str(port)]
    started = time.monotonic()
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | {"WDVIZ_CACHE": cache},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            while not healthy(port):
                if process.poll() is not None or time.monotonic() - started > WAIT_MS / 1000:
                    log.seek(0)
                    raise RuntimeError("the server did not start:\n" + log.read().decode(errors="replace")[-5000:])
                time.sleep(0.02)
            yield f"http://127.0.0.1:{port}/", time.monotonic() - started
        finally:
            stop(process)


def healthy(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/_stcore/health")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ends the server and all that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def count_bytes(page: Page, received: list[int]) -> None:
    """Adds to `received` the size of each message from now on."""
    session = page.context.new_cdp_session(page)

    def on_frame(event: dict[str, Any]) -> None:
        response = event["response"]
        data = response["payloadData"]
        received.append(len(data) if response["opcode"] == 1 else len(data) * 3 // 4 - data[-2:].count("="))  # others are base64

    session.on("Network.webSocketFrameReceived", on_frame)
    session.send("Network.enable")


def median_p90(ms: Sequence[float]) -> str:
    return f"{np.median(ms):8.0f} ms median, {np.quantile(ms, 0.9):.0f} p90"
