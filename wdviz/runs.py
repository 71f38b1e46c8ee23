"""Runs and sweeps of them: executed on the shared pool, finished ones shared, each delivered as soon as it is there."""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, replace
from pathlib import Path

import jax

from wdviz import datasets, training
from wdviz.pool import FairPool
from wdviz.results import History
from wdviz.settings import Hyperparameters, Program, Settings

CACHE_RUNS = 512  # finished runs kept
CACHE_BYTES = 256 * 2**20  # and their arrays, films among them
COMPILED_BYTES = 256 * 2**20  # size of the compilation cache on disk


@dataclass(frozen=True)
class Run:
    """One training run as plain values: hashable, so that equal runs are computed once.

    `pictures` adds predictions on the grid, `film` those and the weights at each checkpoint.
    """

    settings: Settings
    seed: int
    pictures: bool = False
    film: bool = False

    @classmethod
    def of(cls, settings: Settings, seed: int, *, pictures: bool = False, film: bool = False) -> Run:
        """A run of `settings`, without what does not bear on it, so that equal runs compare equal.

        That is how many seeds there are, their first one (unless edited points were drawn with it), and a switch of decay that
        changes nothing.
        """
        s = replace(settings, seed=settings.seed if settings.edits else 0, seeds=1)
        if not 0 < s.switch_at < s.steps or s.decay_after == s.decay:
            s = replace(s, switch_at=0, decay_after=0.0)
        return cls(s, seed, pictures, film)


class Sweep:
    """Runs under way: `results` fills in as they finish, `cancel` drops those not yet started.

    Runs that were finished before, in this sweep or any other, come from a bounded cache at once.
    """

    def __init__(self, runs: Sequence[Run], executor: Executor, cache: Cache) -> None:
        self.results: dict[Run, History] = {}
        self.total = len(set(runs))
        self._started = time.monotonic()
        self._cache = cache
        self._pending: dict[Future[History], Run] = {}
        try:
            for run in dict.fromkeys(runs):
                known = cache.get(run)
                if known is not None:
                    self.results[run] = known
                else:
                    self._pending[executor.submit(execute, run)] = run
        except BaseException:  # the pool is full: leave no part of the sweep behind
            self.cancel()
            raise
        self._at_once = len(self.results)

    @property
    def done(self) -> bool:
        return not self._pending

    @property
    def seconds_left(self) -> float | None:
        """Estimate from the pace so far; None before the first finished run."""
        computed = len(self.results) - self._at_once
        pace = (time.monotonic() - self._started) / computed if computed else None
        return None if pace is None else pace * len(self._pending)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for at least one more finished run; False if none came within `timeout` seconds or none is left.

        Raises what a run raised, each time: a run that failed stays pending.
        """
        finished, _ = wait(self._pending, timeout, FIRST_COMPLETED)
        for future in sorted(finished, key=lambda f: f.cancelled() or f.exception() is not None):  # failed last: the others still count
            run = self._pending.get(future)
            if run is not None:  # else `cancel` came first, from another thread
                self.results[run] = future.result()
                self._cache.put(run, self.results[run])
                self._pending.pop(future, None)
        return bool(finished)

    def finished(self) -> Iterator[tuple[Run, History]]:
        """Each run with its history, as soon as it is there."""
        seen: set[Run] = set()
        while True:
            for run in [r for r in self.results if r not in seen]:
                seen.add(run)
                yield run, self.results[run]
            if self.done:
                return
            self.wait()

    def wait_all(self) -> dict[Run, History]:
        """Wait for all runs; their histories."""
        return dict(self.finished())

    def cancel(self) -> None:
        """Drop the runs that have not started; those that have run to their end unseen."""
        for future in self._pending:
            future.cancel()
        self._pending.clear()


class Cache:
    """The last finished runs, shared by all sessions; bounded in number and in bytes."""

    def __init__(self, size: int = CACHE_RUNS, size_bytes: int = CACHE_BYTES) -> None:
        self._limits, self._runs, self._guard = (size, size_bytes), OrderedDict[Run, History](), threading.Lock()
        self._bytes = 0

    def get(self, run: Run) -> History | None:
        with self._guard:
            if run in self._runs:
                self._runs.move_to_end(run)
            return self._runs.get(run)

    def put(self, run: Run, history: History) -> None:
        with self._guard:
            known = self._runs.pop(run, None)
            self._bytes -= known.nbytes if known else 0
            self._runs[run] = history
            self._bytes += history.nbytes
            while len(self._runs) > self._limits[0] or (self._bytes > self._limits[1] and len(self._runs) > 1):
                self._bytes -= self._runs.popitem(last=False)[1].nbytes

    def __len__(self) -> int:
        return len(self._runs)


def sweep(runs: Sequence[Run], *, session: str = "", executor: Executor | None = None) -> Sweep:
    """Start runs; the pool of the machine executes them unless another `concurrent.futures.Executor` is given.

    Raises:
        PoolFull: if too many runs wait already.
        ValueError: if a run asks for more training points than its data set has, or the like.
    """
    for run in runs:
        datasets.split_for(run.settings, run.seed)
    return Sweep(runs, executor or pool().for_session(session), _cache)


def finished(runs: Sequence[Run]) -> dict[Run, History]:
    """Those of the runs that are in the cache of finished ones."""
    return {run: history for run in runs if (history := _cache.get(run)) is not None}


def execute(run: Run) -> History:
    """Train one run to its end. Plain values in and NumPy arrays out, so that any executor can carry it."""
    split = datasets.split_for(run.settings, run.seed)
    data = {name: getattr(split, name) for name in ("x_train", "y_train", "n_train", "x_validation", "y_validation", "x_test", "y_test")}
    data["grid"] = datasets.plane(split).grid
    history = training.train(program_for(run), Hyperparameters.of(run.settings, run.seed), data)
    return history if run.pictures or run.film else replace(history, grid=history.grid[:0])


def program_for(run: Run) -> Program:
    """The compiled function that a run needs."""
    s, entry = run.settings, datasets.REGISTRY[run.settings.dataset]
    return Program(
        task=entry.task,
        inputs=entry.inputs,
        outputs=len(entry.classes) or 1,
        n_train=entry.capacity,
        n_validation=entry.n_validation,
        n_test=entry.n_test,
        hidden=s.hidden,
        activation=s.activation,
        optimiser=s.optimiser,
        decay_kind=s.decay_kind,
        schedule=s.schedule,
        batch_size=s.batch_size,
        regularisers=s.regularisers,
        grid=datasets.grid_points(entry.inputs),  # always: a second program without it would have to be compiled too
        film=run.film,
    )


def pool() -> FairPool:
    """The pool of this process, with one worker a core; made at first use."""
    global _pool
    with _guard:
        if _pool is None:
            use_compilation_cache()
            _pool = FairPool()
        return _pool


def use_compilation_cache() -> None:
    """Keep compiled programs on disk between processes, in WDVIZ_CACHE or the user's cache folder; bounded in size."""
    home = os.environ.get("WDVIZ_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wdviz"
    jax.config.update("jax_compilation_cache_dir", str(home))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    jax.config.update("jax_compilation_cache_max_size", COMPILED_BYTES)


def warm_up(settings: Sequence[Settings]) -> None:
    """Compile the programs of these settings, and run each once, so that the first visitor waits for nothing; films come last."""
    for film in (False, True):
        for chosen in settings:
            sweep([Run.of(chosen, chosen.seed, pictures=not film, film=film)]).wait_all()


_cache = Cache()
_pool: FairPool | None = None
_guard = threading.Lock()
