"""Runs: what they are made of, and the one pool and the one cache of finished jobs that all visitors share."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Hashable, Iterable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import jax
from joblib.externals.loky import cpu_count
from threadpoolctl import threadpool_limits

from wdviz import compiling, datasets, models, training
from wdviz.chunks import Chunks
from wdviz.pool import FairPool
from wdviz.program import Hyperparameters, Program
from wdviz.results import History
from wdviz.settings import CHECKPOINTS, OWN, Settings
from wdviz.sweeps import Cache, Job, Kept, Sweep

_START = Settings()
CHUNK = 32  # runs trained side by side on an accelerator
COMPILED_BYTES = 256 * 2**20  # size of the compilation cache on disk


@dataclass(frozen=True)
class Run:
    """One training run: the job that all experiments are made of.

    `pictures` adds predictions on the grid, `film` those and the weights at each checkpoint. With `fold` = (which, of how many,
    repeat) that fold of the training points is held out and takes the place of the test set, which is not looked at. `within`: further
    regularisers of the compiled function, of which there is nothing, so that many combinations share one. `checkpoints`: how often the
    network is evaluated, which costs more than its training.
    """

    settings: Settings
    seed: int
    pictures: bool = False
    film: bool = False
    fold: tuple[int, int, int] | None = None
    within: tuple[str, ...] = ()
    checkpoints: int = CHECKPOINTS

    @classmethod
    def of(cls, settings: Settings, seed: int, **options: Any) -> Run:
        """A run of `settings`, without what does not bear on it, so that equal runs compare equal.

        That is how many seeds there are, their first one (unless edited points were drawn with it), a switch of decay that
        changes nothing, and choices that other families of networks alone know.
        """
        others = {name: getattr(_START, name) for model, names in OWN.items() if model != settings.model for name in names}
        s = replace(settings, seed=settings.seed if settings.edits else 0, seeds=1, **others)
        if not 0 < s.switch_at < s.steps or s.decay_after == s.decay:
            s = replace(s, switch_at=0, decay_after=0.0)
        return cls(s, seed, **options)

    def __hash__(self) -> int:
        return self._hash  # hundreds of runs are looked up at each update of a long sweep

    @cached_property
    def _hash(self) -> int:
        return hash((self.settings, self.seed, self.pictures, self.film, self.fold, self.within, self.checkpoints))

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_hash"}  # hashes of texts differ between processes

    @property
    def split(self) -> datasets.Split:
        """Its data, whatever fold of them is held out."""
        return datasets.split_for(self.settings, self.seed)

    def check(self) -> None:
        """Raises ValueError for more training points than the data set has, a model that does not take its inputs, or the like."""
        if not takes(self.settings.model, self.settings.dataset):
            raise ValueError(f"model is {self.settings.model!r}; it takes images and series, and {self.settings.dataset} is neither")
        split = self.split
        if self.fold:
            datasets.check_folds(split, self.fold[1])

    def execute(self) -> History:
        """Train to the end."""
        return self._seen(training.train(*self._parts()))

    def _parts(self) -> tuple[Program, Hyperparameters, dict[str, Any]]:
        """What the kernel takes."""
        split = self.split
        names = ("x_train", "y_train", "n_train", "x_validation", "y_validation", "x_test", "y_test")
        data = {name: getattr(split, name) for name in names}
        if self.fold:
            which, count, repeat = self.fold
            data = datasets.without(split, datasets.held_out(split, count, repeat)[which])
        program = program_for(self)
        data["grid"] = datasets.plane(split).grid[: program.grid]
        return program, Hyperparameters.of(self.settings, self.seed), data

    def _seen(self, history: History) -> History:
        return history if self.pictures or self.film else replace(history, grid=history.grid[:0])


@dataclass(frozen=True)
class OnRun:
    """A job that builds on one training run; see `result_of`."""

    run: Run

    def check(self) -> None:
        """Raises ValueError as `Run.check` does."""
        self.run.check()


@dataclass(frozen=True)
class Together:
    """Runs of one `group` as one job: trained side by side, `size` at once, for accelerators."""

    runs: tuple[Run, ...]
    size: int

    def execute(self) -> list[History]:
        """The history of each."""
        programs, hypers, data = zip(*(run._parts() for run in self.runs), strict=True)
        return [run._seen(h) for run, h in zip(self.runs, training.train_many(programs[0], hypers, data, self.size), strict=True)]


def group(job: Job) -> Hashable | None:
    """What runs have in common that can be trained together; None for other jobs."""
    if not isinstance(job, Run):
        return None
    s = job.settings
    return program_for(job), s.dataset, s.steps, s.n_train, s.edits, job.fold


def sweep(jobs: Sequence[Job], *, session: str = "", urgent: bool = False, executor: Executor | None = None) -> Sweep:
    """Start jobs; the pool of the machine executes them unless another `concurrent.futures.Executor` is given.

    Urgent ones, for which a visitor waits, come before the others of all sessions.

    Raises:
        PoolFull: if too many jobs wait already.
        ValueError: if a job cannot be done, see `Job.check`.
    """
    for job in jobs:
        job.check()
    if executor:
        return Sweep(jobs, one_by_one(executor), _cache)
    return Sweep(jobs, partial(pool().start, session=session, urgent=urgent), _cache)


def one_by_one(executor: Executor) -> Callable[[Sequence[Job]], list[Future[Any]]]:
    """What queues jobs in an executor."""
    return lambda jobs: [executor.submit(job.execute) for job in jobs]


def finished(jobs: Iterable[Job]) -> dict[Any, Any]:
    """Those of the jobs that are in the cache of finished ones, with their results."""
    return _cache.known(jobs)


def kept() -> Kept:
    """What the cache of finished jobs holds, and how often it had what was asked for."""
    return _cache.kept()


def result_of(job: Job) -> Any:
    """What a job gives, in this very thread: from the cache or executed now. For jobs that build on others."""
    known = _cache.get(job)
    return _keep(job, job.execute()) if known is None else known


def _keep(job: Job, result: Any) -> Any:
    _cache.put(job, result)
    return result


def program_for(run: Run) -> Program:
    """The compiled function that a run needs."""
    s, entry = run.settings, datasets.REGISTRY[run.settings.dataset]
    program = Program(
        task=entry.task,
        inputs=entry.inputs,
        outputs=len(entry.classes) or 1,
        n_train=entry.capacity,
        n_validation=entry.n_validation,
        n_test=entry.n_test,
        family=s.model,
        shape=entry.shape,
        hidden=s.hidden,
        activation=s.activation,
        pooling=s.pooling,
        cell=s.cell,
        tokens=s.tokens,
        heads=s.heads,
        summary=s.summary,
        optimiser=s.optimiser,
        decay_kind="coupled" if s.decay_kind == "coupled" else "decoupled",
        schedule=s.schedule,
        batch_size=s.batch_size,
        regularisers=tuple(sorted({*s.regularisers, *run.within})),
        # With all checkpoints always: a second program without it would have to be compiled too. With fewer, where it would take longer
        # than the rest of the evaluation, only where it is wanted.
        grid=datasets.grid_points(entry.inputs) if run.pictures or run.film or run.checkpoints == CHECKPOINTS else 0,
        film=run.film,
        checkpoints=run.checkpoints,
    )
    width = models.width_for(program, s.budget) if s.budget and s.hidden else s.width
    return replace(program, hidden=(width,) * len(s.hidden))


def takes(model: str, dataset: str) -> bool:
    """Whether a model takes the inputs of a data set: convolutional, recurrent and attention networks need images or series."""
    return models.fits(model, datasets.REGISTRY[dataset].shape)


def pool() -> FairPool:
    """The pool of this process, made at first use: one worker a core, or those of the cluster that WDVIZ_DASK names.

    Raises:
        ValueError: if WDVIZ_DASK is no address of a cluster.
    """
    global _pool
    with _guard:
        if _pool is None:
            prepare()
            _pool = _pool_of(os.environ.get("WDVIZ_DASK", ""))
        return _pool


def _pool_of(address: str) -> FairPool:
    size = _chunk()
    if not address:
        carry, workers = _chunked(lambda job: job.execute(), size), cores()
        return FairPool(workers * size, lambda job: _keep(job, carry(job)), _cache.get)
    from wdviz import cluster  # here, because it takes half a second to import

    connected = cluster.connect(address, prepare, cores())
    carry = _chunked(connected.carry, size)
    pool = FairPool(connected.workers * size, lambda job: _keep(job, carry(job)), _cache.get)
    connected.follow(lambda workers: pool.resize(workers * size))
    return pool


def _chunked(carry: Callable[[Job], Any], size: int) -> Callable[[Job], Any]:
    return Chunks(carry, group, lambda jobs: Together(jobs, size), size).carry if size > 1 else carry


def _chunk() -> int:
    """How many runs are trained side by side: WDVIZ_CHUNK, or 1 on a CPU and `CHUNK` on an accelerator.

    Raises:
        ValueError: if WDVIZ_CHUNK is no whole number from 1 to 256.
    """
    given = os.environ.get("WDVIZ_CHUNK", "")
    if not given:
        return 1 if jax.default_backend() == "cpu" else CHUNK
    if not given.isdecimal() or not 1 <= int(given) <= 256:
        raise ValueError(f"WDVIZ_CHUNK is {given!r}; it must be a whole number from 1 to 256")
    return int(given)


def cores() -> int:
    """Those that this process may use, which in a container can be fewer than the machine has."""
    return cpu_count()


def prepare() -> None:
    """What each process that runs jobs needs once: compiled programs kept on disk, and linear algebra that takes no core from the runs.

    Compiled programs lie in WDVIZ_CACHE or the user's cache folder, bounded in size.
    """
    home = Path(os.environ.get("WDVIZ_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wdviz")
    compiling.mend(home)
    jax.config.update("jax_compilation_cache_dir", str(home))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    jax.config.update("jax_compilation_cache_max_size", COMPILED_BYTES)
    # NumPy's linear algebra, small here, would wake a thread for each core, which then spins for a while on a core of a run's.
    threadpool_limits(1, user_api="blas")


def warm_up(settings: Sequence[Settings]) -> None:
    """Compile the programs of these settings, and run each once, so that the first visitor waits for nothing; films come last."""
    for film in (False, True):
        for chosen in settings:
            sweep([Run.of(chosen, chosen.seed, pictures=not film, film=film)]).wait_all()


_cache = Cache()
_pool: FairPool | None = None
_guard = threading.Lock()
