"""A sweep of the default page's runs on a cluster of one and two worker processes beside this machine's pool, and what carrying costs."""

from __future__ import annotations

import itertools
import pickle
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil

from tests.benchmarks import report
from tests.machines import Machines, machines, until
from wdviz import cluster, runs
from wdviz.runs import Run
from wdviz.settings import DECAYS, Settings

CORES = 2
SEED = 20_000  # seeds from here on are in no cache of finished runs
JOBS = 48  # seeds x decays
REPEATS = 5
EMPTY = 300  # jobs that do nothing

_seeds = itertools.count(SEED)


def main() -> None:
    report.title(f"CLUSTER: {JOBS} runs of the default page (seeds x decays); workers of one thread; best of {REPEATS}, taken in turn")
    runs.prepare()
    Run.of(Settings(), 0).execute()
    with tempfile.TemporaryDirectory() as folder, machines(1, Path(folder) / "log") as started:
        connected = cluster.connect(started.address, runs.prepare, CORES)
        try:
            _measure(started, connected)
        finally:
            connected.close()


def _measure(started: Machines, connected: cluster.Cluster) -> None:
    until(lambda: connected.workers == 1 and not connected.trouble)
    one, here = _in_turn(started, connected, 1)
    started.start_worker()
    until(lambda: connected.workers == 2 and not connected.trouble)
    two, here_again = _in_turn(started, connected, 2)
    report.figure(f"this machine's pool of {CORES}", f"{JOBS / here_again[0]:8.1f} runs a second")
    report.figure("1 worker process", f"{JOBS / one[0]:8.1f} runs a second", f"{here[0] / one[0]:.2f} x the pool")
    report.figure("2 worker processes", f"{JOBS / two[0]:8.1f} runs a second", f"{here_again[0] / two[0]:.2f} x the pool")
    report.figure("CPU of a run on the pool", f"{1e3 * here_again[1]:8.1f} ms")
    report.figure("CPU of a run, client + scheduler + workers", f"{1e3 * two[1]:8.1f} ms")
    _cost_of_carrying(started, connected)


def _in_turn(started: Machines, connected: cluster.Cluster, threads: int) -> tuple[tuple[float, float], tuple[float, float]]:
    """For cluster and pool the least (seconds of a sweep, CPU seconds of a run)."""
    carried, local = [], []
    for _ in range(REPEATS):
        carried.append(_sweep(started, connected.carry, threads))
        local.append(_sweep(started, lambda job: job.execute(), CORES))
    return _least(carried), _least(local)


def _sweep(started: Machines, carry: Callable[[Any], Any], threads: int) -> tuple[float, float]:
    jobs = [Run.of(Settings(decay=decay), next(_seeds)) for decay in DECAYS[-JOBS // 2 :] for _ in range(2)]
    before, began = _cpu(started), time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(carry, jobs))
    return time.perf_counter() - began, sum(_cpu(started)) / JOBS - sum(before) / JOBS


def _least(pairs: list[tuple[float, float]]) -> tuple[float, float]:
    seconds, cpu = zip(*pairs, strict=True)
    return min(seconds), min(cpu)


def _cpu(started: Machines) -> list[float]:
    """CPU seconds so far of this process, the scheduler, and all workers."""
    pids = [None, started.scheduler.pid, *(worker.pid for worker in started.workers)]
    here, scheduler, *workers = (sum(psutil.Process(pid).cpu_times()[:2]) for pid in pids)
    return [here, scheduler, sum(workers)]


def _cost_of_carrying(started: Machines, connected: cluster.Cluster) -> None:
    """Of jobs that do nothing: latency, CPU, and the bytes that a run takes there and back."""
    empty = cluster.Nothing()
    before = _cpu(started)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(connected.carry, [empty] * EMPTY))
    client, scheduler, workers = (1e3 * (now - then) / EMPTY for now, then in zip(_cpu(started), before, strict=True))
    report.figure("CPU of carrying a job", f"{client:8.2f} ms client, {scheduler:.2f} scheduler, {workers:.2f} worker")
    times = []
    for _ in range(EMPTY // 5):
        began = time.perf_counter()
        connected.carry(empty)
        times.append(time.perf_counter() - began)
    report.figure("one job after the other", f"{1e3 * min(times):8.1f} ms best, {1e3 * statistics.median(times):.1f} median")
    for name, run in (
        ("", Run.of(Settings(), 0)),
        (" with pictures", Run.of(Settings(), 0, pictures=True)),
        (" filmed", Run.of(Settings(), 0, film=True)),
    ):
        sent, returned = len(pickle.dumps((cluster.build(), run))), len(pickle.dumps(run.execute()))
        report.figure(f"bytes of a run{name}", f"{sent:8,} sent, {returned:,} returned")
