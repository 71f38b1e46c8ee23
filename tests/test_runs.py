"""The pool is fair and bounded, a sweep delivers each run at once, and a run is the same wherever it is executed."""

from __future__ import annotations

import os
import pickle
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Executor, Future, ThreadPoolExecutor
from dataclasses import fields, replace
from functools import partial
from typing import Any

import jax
import numpy as np
import pytest

from tests.helpers import count_compilations
from tests.test_pool import PATIENCE, holders
from wdviz import datasets, runs, sweeps
from wdviz.pool import PoolFull
from wdviz.results import SPLITS, History
from wdviz.runs import Run
from wdviz.settings import SPECS, Settings
from wdviz.specs import Number
from wdviz.sweeps import Cache, Sweep

SMALL = Settings(width=4, depth=1, steps=20, seeds=3)
held = pytest.fixture(holders, name="held")


class Steered(Executor):
    """An executor whose calls run when the test says so."""

    def __init__(self) -> None:
        self.calls: list[tuple[Future[Any], Callable[[], Any]]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.calls.append((future, lambda: fn(*args, **kwargs)))
        return future

    def run(self, index: int) -> None:
        future, call = self.calls[index]
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(call())
            except Exception as error:
                future.set_exception(error)


def history(mark: float = 0.0) -> History:
    """A history that can be told by its last loss, for tests that do not train."""
    one = np.array([mark])
    curves: dict[str, np.ndarray] = dict.fromkeys(SPLITS, one)
    return History(one, curves, curves, one, one, one[:, None], one[:, None], one, ("output",), 0, {}, {}, one[:, None])


def names(count: int, seed: int = 0) -> list[Run]:
    return [Run.of(SMALL, seed + i) for i in range(count)]


def same(a: Any, b: Any) -> bool:
    """Whether two values are equal bit for bit, with NaN equal to itself."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    return bool(a == b)


def same_history(a: History, b: History) -> bool:
    return all(same(getattr(a, f.name), getattr(b, f.name)) for f in fields(History))


# Sweeps


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[Run]:
    """Runs take no time here, and are noted."""
    executed: list[Run] = []

    def execute(run: Run) -> History:
        executed.append(run)
        return history(run.seed)

    monkeypatch.setattr(Run, "execute", execute)
    return executed


def test_each_finished_run_is_delivered_while_the_others_are_held_up(quick):
    hands, chosen = Steered(), names(4)
    sweep = Sweep(chosen, runs.one_by_one(hands), Cache())
    arrivals = sweep.finished()
    for place in (2, 0, 3, 1):
        hands.run(place)
        run, result = next(arrivals)
        assert run == chosen[place]
        assert result.loss("test") == run.seed
    assert list(arrivals) == []
    assert sweep.done
    assert set(sweep.results) == set(chosen)


def test_wait_without_news_returns_false(quick):
    hands = Steered()
    sweep = Sweep(names(2), runs.one_by_one(hands), Cache())
    assert not sweep.wait(0)
    hands.run(1)
    assert sweep.wait(0)
    assert not sweep.wait(0)
    hands.run(0)
    assert sweep.wait()
    assert not sweep.wait()  # nothing is left, so it does not block


def test_runs_named_twice_are_computed_once(quick):
    hands, chosen = Steered(), names(2)
    sweep = Sweep([*chosen, *chosen, chosen[0]], runs.one_by_one(hands), Cache())
    assert sweep.total == len(hands.calls) == 2


def test_runs_known_already_come_at_once(quick):
    cache, chosen = Cache(), names(3)
    hands = Steered()
    first = Sweep(chosen[:2], runs.one_by_one(hands), cache)
    hands.run(0)
    hands.run(1)
    list(first.finished())

    again = Sweep(chosen, runs.one_by_one(hands), cache)
    assert set(again.results) == set(chosen[:2])
    assert len(hands.calls) == 3
    assert again.seconds_left is None
    assert again.results[chosen[0]] is first.results[chosen[0]]
    assert Sweep(chosen[:2], runs.one_by_one(hands), cache).done


def test_cancel_drops_what_has_not_started(held, quick):
    one = held()
    sweep = Sweep(names(6), partial(one.pool.start, session="a"), Cache())
    assert one.pool.waiting("a") == 6
    sweep.cancel()
    assert sweep.done
    assert one.pool.waiting() == 0
    one.release()
    assert quick == []
    assert list(sweep.finished()) == []


def test_cancel_from_another_thread_ends_a_wait(held, quick):
    one = held()
    sweep = Sweep(names(1), partial(one.pool.start, session="a"), Cache())
    with ThreadPoolExecutor(1) as other:
        waiting = other.submit(sweep.wait, PATIENCE)
        sweep.cancel()
        one.release()
        waiting.result(PATIENCE)
    assert sweep.results == {}


def test_time_left_follows_the_pace(quick, monkeypatch):
    now = 100.0
    monkeypatch.setattr(sweeps.time, "monotonic", lambda: now)
    hands = Steered()
    sweep = Sweep(names(4), runs.one_by_one(hands), Cache())
    assert sweep.seconds_left is None
    now = 106.0
    hands.run(0)
    hands.run(1)
    sweep.wait()
    assert sweep.seconds_left == 2 * 6 / 2
    hands.run(2)
    hands.run(3)
    sweep.wait()
    assert sweep.seconds_left == 0


def test_time_left_does_not_count_runs_that_came_at_once(quick, monkeypatch):
    now = 0.0
    monkeypatch.setattr(sweeps.time, "monotonic", lambda: now)
    chosen, cache, hands = names(4), Cache(), Steered()
    for run in chosen[:2]:
        cache.put(run, history())
    sweep = Sweep(chosen, runs.one_by_one(hands), cache)
    now = 5.0
    hands.run(0)
    sweep.wait()
    assert sweep.seconds_left == 5.0


def test_error_of_a_run_surfaces_each_time_and_costs_no_other_run(monkeypatch):
    chosen = names(3)

    def execute(run: Run) -> History:
        if run == chosen[0]:
            raise FloatingPointError("out of range")
        return history(run.seed)

    monkeypatch.setattr(Run, "execute", execute)
    hands, cache = Steered(), Cache()
    sweep = Sweep(chosen, runs.one_by_one(hands), cache)
    for i in range(3):
        hands.run(i)
    for _ in range(2):
        with pytest.raises(FloatingPointError, match="out of range"):
            sweep.wait()
    assert set(sweep.results) == set(chosen[1:])
    assert not sweep.done
    assert cache.get(chosen[0]) is None
    with pytest.raises(FloatingPointError):
        list(sweep.finished())


def test_a_sweep_too_large_for_the_pool_leaves_nothing_behind(held, quick):
    one = held(session_limit=4)
    with pytest.raises(PoolFull):
        Sweep(names(5), partial(one.pool.start, session="a"), Cache())
    assert one.pool.waiting() == 0
    one.release()
    assert quick == []


def test_shutdown_ends_a_sweep_that_is_waited_for(held, quick):
    one = held()
    sweep = Sweep(names(2), partial(one.pool.start, session="a"), Cache())
    one.pool.shutdown(wait=False, cancel_futures=True)
    with pytest.raises(CancelledError):
        sweep.wait(PATIENCE)


def test_cache_keeps_the_last_used():
    cache, (a, b, c) = Cache(2), names(3)
    cache.put(a, history(1))
    cache.put(b, history(2))
    assert cache.get(a) is not None
    cache.put(c, history(3))
    assert cache.get(b) is None
    assert [h and h.loss("test") for h in map(cache.get, (a, c))] == [1, 3]
    assert cache.kept().entries == 2


def test_cache_is_bounded_in_bytes():
    one = history().nbytes
    cache, (a, b, c, d) = Cache(size_bytes=2 * one), names(4)
    for run in (a, b, b, c):  # the same run twice counts once
        cache.put(run, history())
    assert [cache.get(run) is not None for run in (a, b, c)] == [False, True, True]
    cache.put(d, replace(history(), film_grid=np.zeros(3 * one, np.uint8)))  # too large alone: it stays until the next comes
    assert [cache.get(run) is not None for run in (b, c, d)] == [False, False, True]
    cache.put(a, history())
    assert [cache.get(run) is not None for run in (a, d)] == [True, False]


def test_sweep_checks_all_runs_before_it_queues_one():
    hands = Steered()
    most = datasets.max_train("wine")
    good = Run.of(replace(SMALL, dataset="wine", n_train=most), 0)
    bad = Run.of(replace(SMALL, dataset="wine", n_train=most + 1), 0)
    with pytest.raises(ValueError, match=f"n_train is {most + 1}; wine has at most {most}"):
        runs.sweep([good, bad], executor=hands)
    assert hands.calls == []


# Runs


def test_runs_do_not_depend_on_the_seed_and_seeds_in_the_settings():
    assert Run.of(Settings(seed=3, seeds=7), 5) == Run.of(Settings(seed=9, seeds=2), 5)
    assert hash(Run.of(Settings(seed=3), 5)) == hash(Run.of(Settings(seed=9), 5))
    assert len({Run.of(Settings(), 5), Run.of(Settings(), 6), Run.of(Settings(decay=3.0), 5), Run.of(Settings(), 5, pictures=True)}) == 4


def test_runs_whose_decay_never_switches_are_equal():
    never = Run.of(Settings(decay=2.0, steps=60), 5)
    for at, after in ((0, 3.0), (60, 3.0), (70, 0.0), (10, 2.0)):
        assert Run.of(Settings(decay=2.0, steps=60, switch_at=at, decay_after=after), 5) == never
    assert len({Run.of(Settings(decay=2.0, steps=60, switch_at=at, decay_after=3.0), 5) for at in (0, 10, 50)}) == 3


def test_repetitions_of_edited_points_share_them_and_differ_in_their_start():
    chosen = replace(SMALL, seed=3, edits="r2~a0.5_0.5_1")
    one, two = (Run.of(chosen, seed).execute() for seed in (3, 4))
    elsewhere = Run.of(replace(chosen, seed=4), 4).execute()
    assert one.start["output"]["weight"].tobytes() != two.start["output"]["weight"].tobytes()
    assert same(two.start, elsewhere.start)
    assert two.step_losses[0] != elsewhere.step_losses[0]  # the same network on points drawn with another seed
    assert one.step_losses[0] != Run.of(replace(chosen, edits="r2"), 3).execute().step_losses[0]


def test_sweep_refuses_edits_that_do_not_suit_the_data_set():
    with pytest.raises(ValueError, match="digits is not"):
        runs.sweep([Run.of(replace(SMALL, dataset="digits", edits="r1"), 0)], executor=Steered())


@pytest.fixture(scope="module")
def direct() -> History:
    runs.prepare()
    return Run.of(SMALL, 1, pictures=True).execute()


def test_a_run_is_the_same_bit_for_bit_wherever_it_is_executed(direct):
    run = Run.of(SMALL, 1, pictures=True)
    with ThreadPoolExecutor(2) as threads:
        sweep = runs.sweep([run, Run.of(SMALL, 2, pictures=True)], executor=threads)
        results = dict(sweep.finished())
    assert same_history(results[run], direct)
    assert same_history(run.execute(), direct)
    assert not same_history(results[Run.of(SMALL, 2, pictures=True)], direct)


def test_run_and_history_survive_pickling(direct):
    run = Run.of(SMALL, 1, pictures=True)
    assert len({run, Run.of(SMALL, 1, pictures=True), Run.of(SMALL, 1), Run.of(SMALL, 1, fold=(0, 2, 0)), Run.of(SMALL, 2)}) == 4
    assert pickle.loads(pickle.dumps(run)) == run
    assert "_hash" not in vars(pickle.loads(pickle.dumps(run)))  # texts have other hashes in another process
    assert same_history(pickle.loads(pickle.dumps(run.execute))(), direct)
    assert same_history(pickle.loads(pickle.dumps(direct)), direct)


def test_predictions_on_the_grid_come_only_with_pictures(direct):
    bare = Run.of(SMALL, 1).execute()
    assert bare.grid.shape == (0, 2)
    assert direct.grid.shape == (datasets.grid_points(2), 2)
    np.testing.assert_allclose(direct.grid.sum(1), 1, atol=1e-5)
    assert same_history(replace(bare, grid=direct.grid), direct)


def test_film_has_weights_and_predictions_at_each_checkpoint():
    film = Run.of(SMALL, 1, film=True).execute()
    assert film.film_grid is not None
    assert film.film_params is not None
    assert film.film_grid.shape == (len(film.steps), datasets.grid_points(2), 2)
    assert same(film.film_params["output"]["weight"][-1], film.params["output"]["weight"])


def test_pictures_need_no_program_of_their_own():
    assert runs.program_for(Run.of(SMALL, 0)) == runs.program_for(Run.of(SMALL, 3, pictures=True))


@pytest.mark.parametrize("name", datasets.REGISTRY)
def test_program_fits_the_data_set(name):
    split = datasets.load(name, 10, 0.1, 0.0, 0)
    program = runs.program_for(Run.of(replace(SMALL, dataset=name, n_train=10), 0))
    assert (program.task, program.inputs, program.outputs) == (split.task, split.inputs, split.outputs)
    assert (program.n_train, program.n_validation, program.n_test) == tuple(map(len, (split.x_train, split.x_validation, split.x_test)))
    assert program.grid == len(datasets.plane(split).grid)


NUMBERS = {name: spec for name, spec in SPECS.items() if isinstance(spec, Number)}
ALL_ON = replace(SMALL, optimiser="momentum", regularisers=("dropout", "early stopping", "input noise", "l1", "label smoothing"))


def other(name: str, spec: Number) -> Any:
    """A value of a control that is not the default, of the type the control gives."""
    near = [v for v in (spec.grid or (spec.low, spec.low + (spec.step or 1))) if v != getattr(ALL_ON, name)]
    value = near[len(near) // 2]
    return int(value) if isinstance(spec.step, int) and not spec.grid else float(value)


def test_moving_a_number_compiles_nothing():
    Run.of(ALL_ON, 0).execute()
    with count_compilations() as compiled:
        for name, spec in NUMBERS.items():
            moved = replace(ALL_ON, **{name: other(name, spec)})
            assert moved != ALL_ON, name
            Run.of(moved, moved.seed).execute()
            assert not compiled, f"{name} compiled {len(compiled)} functions"


def test_a_choice_that_decides_shapes_is_seen_by_the_counter():
    with count_compilations() as compiled:
        Run.of(replace(SMALL, width=8, activation="gelu", batch_size=16, schedule="warm-up"), 0).execute()
    assert compiled


# The machine's own pool


def test_pool_of_the_machine_is_one_and_keeps_compiled_programs_on_disk():
    with ThreadPoolExecutor(4) as threads:
        pools = set(threads.map(lambda _: runs.pool(), range(8)))
    assert len(pools) == 1
    config: Any = jax.config
    assert config.jax_compilation_cache_dir == os.environ["WDVIZ_CACHE"]
    assert config.jax_persistent_cache_min_compile_time_secs == 0
    assert config.jax_compilation_cache_max_size == runs.COMPILED_BYTES


def test_cache_folder_is_the_users_where_none_is_named(monkeypatch, tmp_path):
    config: Any = jax.config
    before = config.jax_compilation_cache_dir
    try:
        monkeypatch.delenv("WDVIZ_CACHE")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        runs.prepare()
        assert config.jax_compilation_cache_dir == str(tmp_path / "wdviz")
    finally:
        jax.config.update("jax_compilation_cache_dir", before)


def test_warm_up_leaves_nothing_to_compile():
    chosen = replace(SMALL, seed=4321)
    runs.warm_up([chosen])
    run, film = Run.of(chosen, chosen.seed, pictures=True), Run.of(chosen, chosen.seed, film=True)
    with count_compilations() as compiled:
        sweep = runs.sweep([run, film])
        assert sweep.done
        assert sweep.results[run].grid.size
        assert sweep.results[film].film_grid is not None
    assert not compiled


def test_a_job_that_another_sweep_has_finished_meanwhile_is_not_done_again(quick, monkeypatch: pytest.MonkeyPatch):
    run, holder = names(2, 77_777)
    busy, go = threading.Event(), threading.Event()

    def execute(job: Run) -> History:
        quick.append(job)
        if job == holder:
            busy.set()
            assert go.wait(PATIENCE)
        return history(job.seed)

    monkeypatch.setattr(Run, "execute", execute)
    monkeypatch.setattr(runs, "_cache", Cache())
    monkeypatch.setattr(runs, "_pool", None)
    monkeypatch.setattr(runs, "cores", lambda: 1)
    runs.sweep([holder], session="holder")
    assert busy.wait(PATIENCE)
    first, second = runs.sweep([run], session="a"), runs.sweep([run], session="b")
    go.set()
    assert second.wait_all() == first.wait_all() == {run: runs.finished([run])[run]}
    assert quick == [holder, run]
    runs.pool().shutdown()


def test_the_cache_says_what_it_holds_and_how_it_was_used():
    cache, (a, b) = Cache(), names(2)
    assert cache.kept() == (0, 0, 0, 0)
    cache.put(a, history())
    assert cache.get(a) is not None
    assert cache.get(b) is None
    assert cache.kept() == (1, history().nbytes, 1, 1)
    assert runs.kept().entries == runs._cache.kept().entries


def test_a_container_s_share_of_the_cores_counts(monkeypatch: pytest.MonkeyPatch):
    assert runs.cores() == len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")  # what joblib looks at beside the machine, its affinity and the container's quota
    assert runs.cores() == 1


def test_runs_that_share_program_and_shapes_are_grouped_and_numbers_do_not_matter():
    one = Run.of(replace(SMALL, decay=1.0), 0)
    assert runs.group(one) == runs.group(Run.of(replace(SMALL, decay=2.0, learning_rate=0.1), 7))
    for other in (replace(SMALL, width=8), replace(SMALL, steps=30), replace(SMALL, n_train=60), replace(SMALL, dataset="circles")):
        assert runs.group(Run.of(other, 0)) != runs.group(one)
    assert runs.group(replace(one, film=True)) != runs.group(one)


def test_runs_go_together_only_where_that_is_asked_for(monkeypatch: pytest.MonkeyPatch):
    assert runs._chunk() == 1  # a processor
    monkeypatch.setenv("WDVIZ_CHUNK", "4")
    assert runs._chunk() == 4
    for wrong in ("0", "-1", "257", "many", "1.5"):
        monkeypatch.setenv("WDVIZ_CHUNK", wrong)
        with pytest.raises(ValueError, match=f"WDVIZ_CHUNK is '{wrong}'; it must be a whole number from 1 to 256"):
            runs._chunk()


def test_runs_done_together_are_delivered_one_by_one(monkeypatch: pytest.MonkeyPatch):
    """How they are trained is tested in test_chunks.py."""
    together: list[int] = []

    def execute(self: runs.Together) -> list[History]:
        together.append(len(self.runs))
        return [history(run.seed) for run in self.runs]

    monkeypatch.setattr(runs.Together, "execute", execute)
    monkeypatch.setenv("WDVIZ_CHUNK", "4")
    monkeypatch.setattr(runs, "cores", lambda: 1)
    monkeypatch.setattr(runs, "_cache", Cache())
    monkeypatch.setattr(runs, "_pool", None)
    chosen = names(8)
    found = runs.sweep(chosen).wait_all()
    assert {run: result.loss("test") for run, result in found.items()} == {run: run.seed for run in chosen}
    assert sum(together) == 8
    assert max(together) <= 4
    runs.pool().shutdown()
