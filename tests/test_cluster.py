"""Jobs on a real scheduler with real worker processes: the same bits as here, and nothing is lost when any of them goes."""

from __future__ import annotations

import asyncio
import os
import pickle
import re
import shutil
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import distributed
import pytest

import wdviz
from tests.machines import PATIENCE, ROOT, Deadly, Facts, Held, Machines, Where, Wrong, kill, machines, prepare, until
from wdviz import cluster, runs
from wdviz.cluster import Cluster
from wdviz.runs import Run
from wdviz.settings import Settings

SMALL = Settings(width=4, depth=1, steps=20)
CORES = 3  # jobs at once here while the cluster is out; no number that its threads have


@pytest.fixture(scope="module", autouse=True)
def _impatient() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cluster, "CONNECT_S", 2)
        patch.setattr(cluster, "LOOK_S", 0.05)
        patch.setattr(cluster, "RETRY_S", (0.05, 0.2))
        yield


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    """A scheduler with a worker that is set up for runs; tests start and kill others."""
    # A job that has ended two workers in a row is not tried on a third one.
    with machines(1, tmp_path_factory.mktemp("dask") / "log", DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="1") as running:
        yield running


@pytest.fixture(scope="module")
def lasting(started: Machines) -> Iterator[Cluster]:
    connected = cluster.connect(started.address, prepare, CORES)
    yield connected
    connected.close()


@pytest.fixture
def connected(started: Machines, lasting: Cluster) -> Cluster:
    """The cluster, in use, with a worker at least."""
    return whole(started, lasting, 1)


def whole(started: Machines, connected: Cluster, workers: int) -> Cluster:
    """The cluster, in use, with so many workers at least, whatever tests before have done to it."""
    if started.scheduler.poll() is not None:
        started.start_scheduler()
    started.workers = [worker for worker in started.workers if worker.poll() is None]
    while len(started.workers) < workers:
        started.start_worker()
    until(lambda: connected.workers == len(started.workers) and not connected.trouble)
    return connected


@pytest.fixture
def line() -> Iterator[socket.socket]:
    """Where `Held` jobs call."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PATIENCE)
        yield server


def port(server: socket.socket) -> int:
    return server.getsockname()[1]


def called(server: socket.socket) -> tuple[socket.socket, int]:
    """The next call of a `Held` job, and the process that makes it."""
    call, _ = server.accept()
    with call.makefile() as text:
        return call, int(text.readline())


def in_background(connected: Cluster, job: cluster.Job) -> Future[object]:
    result: Future[object] = Future()
    threading.Thread(target=lambda: result.set_result(connected.carry(job)), daemon=True).start()
    return result


def test_a_worker_is_set_up_as_this_process_and_gives_the_same_bits(connected: Cluster) -> None:
    runs.prepare()
    assert connected.carry(Facts()) == Facts().execute()
    jobs = [Run.of(SMALL, 0), Run.of(SMALL, 1, film=True), Run.of(SMALL, 3, pictures=True), Run.of(SMALL, 2, fold=(1, 5, 0))]
    with ThreadPoolExecutor(2) as pool:
        carried = list(pool.map(connected.carry, jobs))
    for job, result in zip(jobs, carried, strict=True):
        assert pickle.dumps(result) == pickle.dumps(job.execute()), job
    assert connected.carry(Where()) != os.getpid()


def test_a_sweep_takes_the_executor_of_a_client(connected: Cluster, started: Machines) -> None:
    jobs = [Run.of(SMALL, seed) for seed in range(100, 104)]
    with distributed.Client(started.address, set_as_default=False) as client:
        carried = runs.sweep(jobs, executor=client.get_executor()).wait_all()
    for job in jobs:
        assert pickle.dumps(carried[job]) == pickle.dumps(job.execute())


def test_a_killed_worker_loses_nothing(connected: Cluster, started: Machines, line: socket.socket) -> None:
    whole(started, connected, 2)
    jobs = [Held(port(line)), *(Where(str(i)) for i in range(4))]
    with ThreadPoolExecutor(2) as pool:
        results = [pool.submit(connected.carry, job) for job in jobs]
        call, first = called(line)
        kill(started.worker(first))
        call.close()
        call, second = called(line)
        call.close()
        assert second not in (first, os.getpid())
        assert results[0].result() == second
    assert {result.result() for result in results[1:]} <= {first, second}
    until(lambda: connected.workers == 1)
    assert not connected.trouble


def test_the_fault_of_a_job_shows_here(connected: Cluster) -> None:
    with pytest.raises(ZeroDivisionError, match="by its own fault"):
        connected.carry(Wrong())
    assert not connected.trouble


def test_other_versions_are_refused(connected: Cluster, started: Machines, tmp_path: Path) -> None:
    shutil.copytree(Path(wdviz.__file__).parent, tmp_path / "wdviz", ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "wdviz" / "training.py").open("a") as source:
        source.write("# changed")
    (tmp_path / "jax-0.0.1.dist-info").mkdir()
    (tmp_path / "jax-0.0.1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: jax\nVersion: 0.0.1\n")
    foreign = started.start_worker(PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}")
    until(lambda: "has" in connected.trouble)
    here = cluster.versions()
    said = re.fullmatch(
        r"Runs are computed on this server alone: "
        r"a worker of the cluster has wdviz (\w+), jax 0\.0\.1 and this server has wdviz (\w+), jax (.*)\.",
        connected.trouble,
    )
    assert said, connected.trouble
    assert said[1] != here["wdviz"]
    assert said.groups()[1:] == (here["wdviz"], here["jax"])
    assert connected.workers == CORES
    assert connected.carry(Where()) == os.getpid()
    kill(foreign)
    until(lambda: not connected.trouble)
    assert connected.carry(Where()) != os.getpid()


def test_it_closes_though_what_it_waits_for_forgets_that_it_was_cancelled(connected: Cluster, started: Machines, monkeypatch: Any) -> None:
    waiting = threading.Event()

    async def deaf(client: distributed.Client) -> dict[str, int]:
        if client is not second._client:
            return await threads(client)
        waiting.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:  # as `asyncio.wait_for` of Python 3.11 where the answer comes at the same moment
            return {}
        raise AssertionError

    threads = cluster._threads
    second = cluster.connect(started.address, prepare, CORES)
    monkeypatch.setattr(cluster, "_threads", deaf)
    assert waiting.wait(PATIENCE)
    closing = threading.Thread(target=second.close, daemon=True)
    closing.start()
    closing.join(PATIENCE)
    assert not closing.is_alive()


def test_a_job_from_another_build_is_not_executed() -> None:
    with pytest.raises(cluster.Unusable):
        cluster.execute(pickle.dumps(("another", Where())))
    assert pickle.loads(cluster.execute(pickle.dumps((cluster.build(), Where())))) == os.getpid()


def test_without_its_scheduler_work_goes_on_here_until_one_is_back(
    connected: Cluster, started: Machines, line: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    sizes: list[int] = []
    connected.follow(sizes.append)
    assert sizes == [connected.workers]
    under_way = in_background(connected, Held(port(line)))
    far, _ = called(line)
    kill(started.scheduler)
    near, pid = called(line)
    assert pid == os.getpid()
    far.close()
    near.close()
    assert under_way.result() == os.getpid()
    until(lambda: connected.trouble)
    assert "Runs are computed on this server alone: the connection to the cluster is lost." in caplog.text
    assert connected.carry(Where()) == os.getpid()
    for worker in started.workers:  # each ends when its scheduler is gone
        worker.wait(PATIENCE)
    started.start_scheduler()
    started.start_worker()
    until(lambda: not connected.trouble)
    assert connected.carry(Where()) != os.getpid()
    assert sizes[-2:] == [CORES, 1]


def test_a_job_that_ends_workers_is_not_tried_here(connected: Cluster, started: Machines) -> None:
    whole(started, connected, 2)
    with pytest.raises(RuntimeError, match="has ended several workers"):
        connected.carry(Deadly(os.getpid()))
    until(lambda: connected.trouble == "Runs are computed on this server alone: the cluster has no workers.")
    assert connected.carry(Where()) == os.getpid()


def test_a_cluster_that_is_not_there_leaves_the_work_here(line: socket.socket) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nobody = port(taken)
    away = cluster.connect(f"tcp://127.0.0.1:{nobody}", prepare, 1)
    try:
        assert away.trouble == "Runs are computed on this server alone: the cluster cannot be reached."
        assert away.workers == 1
        # As many at once as there are cores, one here, however many callers there are.
        results = [in_background(away, Held(port(line))) for _ in range(3)]
        for _ in results:
            call, pid = called(line)
            assert pid == os.getpid()
            line.setblocking(False)
            with pytest.raises(BlockingIOError):
                line.accept()
            line.settimeout(PATIENCE)
            call.close()
        assert {result.result() for result in results} == {os.getpid()}
    finally:
        away.close()


@pytest.mark.parametrize(
    "address",
    ["", "10.0.0.5:8786", "tcp://10.0.0.5", "http://10.0.0.5:8786", "tcp://:8786", "tcp://a:b", "tcp://a:8786/x", "tcp://a:99999"],
)
def test_an_address_of_another_form_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"WDVIZ_DASK is {address!r}; it must be tcp://host:port or tls://host:port")):
        cluster.connect(address, prepare, CORES)
