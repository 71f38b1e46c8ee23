"""Jobs on a Dask cluster: the same results as here, and while the cluster is out they are computed here."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import pickle
import platform
import random
import threading
from collections.abc import Callable, Collection
from concurrent.futures import CancelledError
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from distributed import Client, KilledWorker, WorkerPlugin

CONNECT_S = 5.0  # to reach the scheduler
ANSWER_S = 30.0  # for scheduler and workers to answer a question, on machines that are busy
PREPARE_S = 240.0  # for workers to get ready: from a cold disk JAX takes long to import
LOOK_S = 2.0  # between two looks at which workers there are
RETRY_S = (2.0, 60.0)  # between two attempts to connect: at first, and at most; each time twice as long
PACKAGES = ("distributed", "jax", "jaxlib", "numpy", "optax", "palmerpenguins", "scikit-learn", "scipy", "sktime")  # decide results
SHOWN = ("figures", "lab", "serving", "ui")  # parts of wdviz that no job reaches

_log = logging.getLogger(__name__)


class Job(Protocol):
    """A picklable piece of work, of a class that workers can import."""

    def execute(self) -> Any: ...


class Unusable(RuntimeError):
    """Why the cluster cannot be used, as a clause for visitors."""


class Prepare(WorkerPlugin):
    """Calls a function of a module once in each worker process, before its first job."""

    name = "wdviz"

    def __init__(self, prepare: Callable[[], None]) -> None:
        self._prepare = prepare

    def setup(self, worker: Any) -> None:
        self._prepare()


def connect(address: str, prepare: Callable[[], None], cores: int) -> Cluster:
    """The cluster of the Dask scheduler at `address`, which need not be up: see `Cluster.trouble`.

    Arguments:
        address: tcp://host:port or tls://host:port. Certificates are those of Dask's own configuration
            (distributed.comm.tls, https://distributed.dask.org/en/stable/tls.html).
        prepare: a function of a module that sets up a process for jobs, for `Prepare`.
        cores: how many jobs are executed here at once, while the cluster is not in use.

    Raises:
        ValueError: for an address of another form.
    """
    try:
        parts = urlsplit(address)
        good = parts.scheme in ("tcp", "tls") and parts.hostname and parts.port and address == f"{parts.scheme}://{parts.netloc}"
    except ValueError:  # a port that is no number, a bracket left open
        good = False
    if not good:
        raise ValueError(f"WDVIZ_DASK is {address!r}; it must be tcp://host:port or tls://host:port, such as tcp://10.0.0.5:8786")
    return Cluster(address, prepare, cores)


class Cluster:
    """Carries jobs to the workers of a Dask cluster and loses none: a job that fails there, or finds no cluster, is executed here.

    A thread of its own connects, looks which workers there are, and after a loss tries again at growing intervals; no job waits for that.
    `workers`: how many jobs make sense at once now. `trouble`: "", or a sentence on why the cluster is not in use.
    """

    def __init__(self, address: str, prepare: Callable[[], None], cores: int) -> None:
        self._address, self._prepare, self._cores = address, prepare, cores
        self._here = threading.BoundedSemaphore(cores)
        self.workers, self.trouble = cores, ""
        self._follower: Callable[[int], None] = lambda workers: None
        self._client: Client | None = None
        self._guard = threading.Lock()  # of `_client`, so that nothing is sent to a loop that has ended
        self._loop, self._lost = asyncio.new_event_loop(), asyncio.Event()
        self._keeping: asyncio.Task[None] | None = None
        self._closing = False
        self._tried = threading.Event()
        self._thread = threading.Thread(target=self._run, name="cluster", daemon=True)
        self._thread.start()
        self._tried.wait()

    def carry(self, job: Job) -> Any:
        """What `job.execute()` gives, computed by a worker, or else here.

        Raises:
            RuntimeError: if the job ended several workers, one after the other; here it would end the server.
        """
        with self._guard:
            there = asyncio.run_coroutine_threadsafe(self._there(self._client, job), self._loop) if self._client else None
        try:
            if there:
                return pickle.loads(there.result())
        except KilledWorker:
            raise RuntimeError("this run has ended several workers, one after the other, and is not tried again") from None
        except CancelledError:  # the connection is lost, which the log says already
            pass
        except Exception as error:  # if it is the job's own fault, it shows here again
            _log.warning("A worker could not execute a job, so it is executed here: %r", error)
        with self._here:  # as many callers as the cluster has threads may come at once
            return job.execute()

    def follow(self, resize: Callable[[int], None]) -> None:
        """Have `resize` called with the number of workers, now and, from another thread, after each change."""
        self._follower = resize
        resize(self.workers)

    def close(self) -> None:
        """Disconnect for good; jobs under way are executed here."""
        self._closing = True  # as well as cancelling, which code below may take for its own timeout and forget
        if self._keeping:
            self._loop.call_soon_threadsafe(self._keeping.cancel)
        self._thread.join()

    async def _there(self, client: Client, job: Job) -> bytes:
        try:
            # Bytes, so that neither the scheduler nor Dask's protocol takes job and result apart.
            return await client.submit(execute, pickle.dumps((build(), job)), pure=False)
        except CancelledError:
            self._lost.set()
            raise

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner, contextlib.suppress(asyncio.CancelledError):
            try:
                runner.run(self._keep())
            finally:  # before the loop ends
                self._use(None, self._cores, self.trouble)

    async def _keep(self) -> None:
        """Connect, stay so while all is well, and start again after a loss; until it is closed."""
        self._keeping, pause = asyncio.current_task(), RETRY_S[0]
        while not self._closing:
            failing = "the cluster cannot be reached"
            async with contextlib.AsyncExitStack() as stack:
                try:
                    client = Client(self._address, asynchronous=True, set_as_default=False, timeout=CONNECT_S)
                    stack.push_async_callback(_closed, client)
                    await client
                    await self._begin(client)
                    failing, pause = "the connection to the cluster is lost", RETRY_S[0]
                    await self._stay(client)
                except Unusable as error:
                    self._out(str(error), error.__cause__)
                except (Exception, CancelledError) as error:
                    self._out(failing, error)
            # Servers that lost one scheduler do not come back all at once.
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))
            pause = min(2 * pause, RETRY_S[1])

    async def _begin(self, client: Client) -> None:
        """Have all workers ready, those to come included."""
        await self._check(client, await _threads(client))
        try:
            async with asyncio.timeout(PREPARE_S):
                await client.register_plugin(Prepare(self._prepare))
                await client.submit(execute, pickle.dumps((build(), Nothing())), pure=False)
        except (Exception, CancelledError) as error:
            raise Unusable("the cluster cannot execute runs") from error

    async def _stay(self, client: Client) -> None:
        """Look which workers there are, until the connection is lost or closed."""
        connection, known = client.scheduler_comm, set[str]()
        while not self._closing:
            self._lost.clear()
            threads = await _threads(client)
            await self._check(client, threads.keys() - known)
            known = set(threads)
            self._in(client, sum(threads.values()))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._lost.wait()
            if client.scheduler_comm is not connection:  # Dask's client connects again, but its jobs are lost and workers not prepared
                raise ConnectionError("connected again, to a scheduler that knows nothing of us")

    async def _check(self, client: Client, workers: Collection[str]) -> None:
        """Raises Unusable where a worker's versions are not those here."""
        if not workers:
            return
        async with asyncio.timeout(ANSWER_S):
            found = await client.run(versions, workers=list(workers), on_error="return")
        here = versions()
        for worker, there in found.items():
            if not isinstance(there, dict):
                raise Unusable("a worker of the cluster does not have this version of wdviz") from there
            if other := [name for name in here if there.get(name) != here[name]]:
                theirs, ours = (", ".join(f"{name} {known.get(name)}" for name in other) for known in (there, here))
                raise Unusable(f"a worker of the cluster has {theirs} and this server has {ours}") from RuntimeError(worker)

    def _in(self, client: Client, workers: int) -> None:
        if self.trouble:
            _log.warning("%s: %d threads compute runs", self._address, workers)
        self._use(client, workers, "")

    def _out(self, reason: str, cause: BaseException | None) -> None:
        trouble = f"Runs are computed on this server alone: {reason}."
        if trouble != self.trouble:
            _log.warning("%s %s %r", self._address, trouble, cause)
        self._use(None, self._cores, trouble)

    def _use(self, client: Client | None, workers: int, trouble: str) -> None:
        with self._guard:
            self._client = client
        self.trouble = trouble
        if workers != self.workers:
            self.workers = workers
            self._follower(workers)
        self._tried.set()


class Nothing:
    """A job that shows whether jobs can be carried."""

    def execute(self) -> None:
        return None


async def _closed(client: Client) -> None:
    with contextlib.suppress(Exception):  # of a connection that is lost anyway
        async with asyncio.timeout(ANSWER_S):
            await client.__aexit__(None, None, None)


async def _threads(client: Client) -> dict[str, int]:
    """The number of threads of each worker; raises Unusable if there is none."""
    async with asyncio.timeout(ANSWER_S):
        threads = await client.nthreads()
    if not threads:
        raise Unusable("the cluster has no workers")
    return threads


@cache
def versions() -> dict[str, str]:
    """Of all that decides results, as they were when this process first asked; of wdviz a digest of its sources."""
    home, digest = Path(__file__).parent, hashlib.sha256()
    for path in sorted(home.rglob("*.py")):
        name = path.relative_to(home)
        if name.parts[0] not in SHOWN:
            digest.update(f"{name.as_posix()}\n".encode() + path.read_bytes())
    return {"Python": platform.python_version(), "wdviz": digest.hexdigest()[:12]} | {name: version(name) for name in PACKAGES}


@cache
def build() -> str:
    """All versions in short."""
    return hashlib.sha256(repr(versions()).encode()).hexdigest()


def execute(message: bytes) -> bytes:
    """On a worker: the pickled result of a job.

    Arguments:
        message: pickled (what `build` gives where the job comes from, the job).

    Raises:
        Unusable: if it comes from another build, whose results might differ.
    """
    theirs, job = pickle.loads(message)
    if theirs != build():
        raise Unusable("a worker of the cluster has other versions")
    return pickle.dumps(job.execute())
