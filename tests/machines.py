"""A real Dask cluster on this machine, a process for its scheduler and one for each worker, and jobs that tests send there.

The jobs import no JAX, so that workers which do nothing else start quickly.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import threadpoolctl

ROOT = Path(__file__).parents[1]
PATIENCE = 60  # seconds after which what was waited for counts as not to come
POLL_SECONDS = 0.01


class Machines:
    """A scheduler at `address` and workers of one thread each."""

    def __init__(self, log: Path, **environment: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
        self._log, self._environment = log, environment
        self.workers: list[subprocess.Popen[bytes]] = []
        self.scheduler = self.start_scheduler()

    def start_scheduler(self) -> subprocess.Popen[bytes]:
        self.scheduler = self._start("scheduler", "--host", self.address)
        return self.scheduler

    def start_worker(self, **environment: str) -> subprocess.Popen[bytes]:
        """One more worker; it joins as soon as it is up. It waits for a scheduler that is not up yet."""
        self.workers.append(self._start("worker", self.address, "--host", "127.0.0.1", "--nthreads", "1", "--no-nanny", **environment))
        return self.workers[-1]

    def worker(self, pid: int) -> subprocess.Popen[bytes]:
        return next(worker for worker in self.workers if worker.pid == pid)

    def stop(self) -> None:
        for process in (*self.workers, self.scheduler):
            kill(process)

    def _start(self, kind: str, *options: str, **environment: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", *options, "--no-dashboard"]
        with self._log.open("ab") as log:
            return subprocess.Popen(
                command,
                cwd=self._log.parent,
                env=os.environ | {"PYTHONPATH": str(ROOT)} | self._environment | environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )


@contextlib.contextmanager
def machines(workers: int, log: Path, **environment: str) -> Iterator[Machines]:
    """A cluster with so many workers that are set up for runs; all write to `log`."""
    started = Machines(log, **environment)
    try:
        for _ in range(workers):
            started.start_worker(RUNS="1")
        yield started
    finally:
        started.stop()


def kill(process: subprocess.Popen[bytes]) -> None:
    """At once, without a chance to say good-bye."""
    process.kill()
    process.wait()


def until(condition: Callable[[], Any]) -> None:
    """Wait for it; fails if it does not come."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "waited for what did not come"
        time.sleep(POLL_SECONDS)


def prepare() -> None:
    """Sets a worker up for runs, where the environment says so."""
    if "RUNS" in os.environ:
        from wdviz import runs

        runs.prepare()


@dataclass(frozen=True)
class Where:
    """Gives the process that it was executed by; `name` tells such jobs apart."""

    name: str = ""

    def execute(self) -> int:
        return os.getpid()


@dataclass(frozen=True)
class Held:
    """Calls `port` on this machine, says which process executes it, and ends when it is told so or the line is cut."""

    port: int

    def execute(self) -> int:
        with socket.create_connection(("127.0.0.1", self.port)) as line:
            line.sendall(f"{os.getpid()}\n".encode())
            line.recv(1)
        return os.getpid()


@dataclass(frozen=True)
class Wrong:
    """Fails by its own fault."""

    def execute(self) -> None:
        raise ZeroDivisionError("by its own fault")


@dataclass(frozen=True)
class Deadly:
    """Ends any process but that of the test."""

    spared: int

    def execute(self) -> None:
        assert os.getpid() != self.spared, "this was to be executed by a worker"
        os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class Facts:
    """How a process is set up for runs."""

    def execute(self) -> dict[str, Any]:
        import jax  # where it is loaded already

        threads = {pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"}
        cache = jax.config.values["jax_compilation_cache_dir"]
        return {"flags": os.environ["XLA_FLAGS"], "threads": threads, "cache": cache, "device": jax.default_backend()}
