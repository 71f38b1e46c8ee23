"""Milliseconds a training run, this project's kernel beside other libraries on the same data, network, steps and evaluations."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from tests.benchmarks import report
from tests.benchmarks.peers import HAS_TORCH, JaxLoop, Job, Records, sklearn_fit, sklearn_run, torch_run
from wdviz import datasets, runs, training
from wdviz.experiments import overfitting
from wdviz.program import Hyperparameters, Program
from wdviz.runs import Run
from wdviz.settings import Settings

ROUNDS = 8
POOL_RUNS = 64
POOL_SEED = 10_000  # seeds of the pool's runs start here, so that none is in the cache of finished runs
GOALS = {"PyTorch": 10, "scikit-learn": 5}
TORCH_CHOICES = [(threads, fused) for threads in (1, 2) for fused in (False, True)]
OURS = "this project"

ABOUT = (
    "AdamW that decays weights only, cosine schedule, float32. In each round every library runs once, in turn, on the data of one seed.",
    "PyTorch: eager, the fastest of 1 or 2 threads, AdamW fused or not. JAX loop: a jitted step called from Python, optax.adamw.",
    "scikit-learn: MLPClassifier, the faster of 1 or 2 threads, by partial_fit an epoch or by one fit without any evaluation. It has",
    "only coupled L2 (a smaller amount is set) and, for Adam, a constant rate; no dropout. So its accuracy is that of another method.",
    "This project also predicts on the plane and measures norms and angles of weights. Others run one at a time, also beside the pool.",
    f"The pool runs {POOL_RUNS} at once, data included, of new seeds and decays. Ratios: median of the rounds, and of the minima.",
)


@dataclass(frozen=True)
class Workload:
    title: str
    settings: Settings
    checkpoints: int
    l2: float  # decay for scikit-learn, coupled and in the convention of optax

    @property
    def program(self) -> Program:
        return replace(runs.program_for(Run.of(self.settings, 0)), checkpoints=self.checkpoints)

    @property
    def like_sklearn(self) -> Settings:
        """What scikit-learn can do of it."""
        return replace(self.settings, decay_kind="coupled", schedule="constant", decay=self.l2, regularisers=())

    def job(self, seed: int) -> Job:
        at = np.unique(training.checkpoints(self.settings.steps, self.checkpoints)).tolist()
        return Job.of(self.settings, datasets.split_for(self.settings, seed), seed, at)


PAGE = Settings()
WORKLOADS = {
    "A": Workload(
        f"A: the page as it opens. Moons, {PAGE.n_train} points in one batch, 2-{PAGE.width}-{PAGE.width}-2, {PAGE.steps} steps",
        PAGE,
        60,
        0.003,
    ),
    "B": Workload(
        "B: digits, 200 points in batches of 64, 64-64-64-10, dropout 0.2, 300 steps",
        Settings(
            **{**overfitting.SUGGESTED["digits"], "n_train": 200, "dataset": "digits"},
            batch_size=64,
            steps=300,
            learning_rate=0.01,
            regularisers=("dropout",),
            dropout=0.2,
        ),
        30,
        0.003,
    ),
}


def main() -> None:
    report.title("KERNEL: ms a run, with training, validation and test loss and accuracy at each checkpoint")
    for line in ABOUT:
        report.note(line)
    if not HAS_TORCH:
        report.note("PyTorch is not installed: left out (it comes with the group `peers`).")
    for name, workload in WORKLOADS.items():
        measure(name, workload)


def measure(name: str, workload: Workload) -> None:
    report.title(f"{workload.title}, {len(workload.job(0).checkpoints)} evaluations")
    compilation(name)
    runs_of = contenders(workload)
    times: dict[str, list[float]] = {peer: [] for peer in [*runs_of, "pool"]}
    accuracies: dict[str, list[float]] = {peer: [] for peer in runs_of}
    for round_ in range(ROUNDS):
        job = workload.job(round_)
        for peer, run in runs_of.items():
            ms, accuracy = timed(functools.partial(run, job))
            times[peer].append(ms)
            accuracies[peer].append(accuracy if accuracy is not None else np.nan)
        times["pool"].append(pool_ms(workload, round_))
    report_times(times)
    report_accuracies(workload, accuracies)


def timed(run: Callable[[], Records | None]) -> tuple[float, float | None]:
    """Milliseconds, and test accuracy at the end."""
    started = time.perf_counter()
    records = run()
    ms = 1000 * (time.perf_counter() - started)
    return ms, None if records is None else float(records[-1][1][2])


def contenders(workload: Workload) -> dict[str, Callable[[Job], Records | None]]:
    """The libraries in the order in which they take turns, each warmed up and with its best number of threads."""
    job = workload.job(ROUNDS)
    loop = JaxLoop(job.settings, job.sizes, job.dropout)
    found: dict[str, Callable[[Job], Records | None]] = {OURS: functools.partial(ours, workload.program, workload.settings)}
    if HAS_TORCH:
        options = {
            f"PyTorch, {threads} thread{'s' * (threads > 1)}{', fused' * fused}": functools.partial(torch_run, threads=threads, fused=fused)
            for threads, fused in TORCH_CHOICES
        }
        found |= fastest(options, job)
    for title, function in (("partial_fit", sklearn_run), ("fit alone", sklearn_fit)):
        options = {
            f"scikit-learn {title}, {threads} thread{'s' * (threads > 1)}": limited(functools.partial(function, l2=workload.l2), threads)
            for threads in (1, 2)
        }
        found |= fastest(options, job)
    found["JAX loop"] = loop
    for run in found.values():
        run(job)
    return found


def fastest(options: dict[str, Callable[[Job], Any]], job: Job) -> dict[str, Callable[[Job], Any]]:
    """The one with the lowest time of several short runs, in turns, after a first one that counts for nothing."""
    job = replace(job, settings=replace(job.settings, steps=60))
    turns = [{name: timed(functools.partial(run, job))[0] for name, run in options.items()} for _ in range(5)]
    best = {name: min(turn[name] for turn in turns[1:]) for name in options}
    name = min(best, key=lambda n: best[n])
    return {name: options[name]}


def limited(run: Callable[[Job], Any], threads: int) -> Callable[[Job], Any]:
    def limited_run(job: Job) -> Any:
        with threadpool_limits(threads):
            return run(job)

    return limited_run


def ours(program: Program, settings: Settings, job: Job) -> Records:
    """One call of the kernel, in the program that the app uses; only the last evaluation is handed on."""
    history = training.train(program, Hyperparameters.of(settings, job.seed), padded(settings, job.seed))
    splits = ("train", "validation", "test")
    return [(np.array([history.losses[s][k] for s in splits]), np.array([history.scores[s][k] for s in splits])) for k in (history.kept,)]


@functools.lru_cache(maxsize=32)
def padded(settings: Settings, seed: int) -> dict[str, Any]:
    split = datasets.split_for(settings, seed)
    names = ("x_train", "y_train", "n_train", "x_validation", "y_validation", "x_test", "y_test")
    return {**{name: getattr(split, name) for name in names}, "grid": datasets.plane(split).grid}


def pool_ms(workload: Workload, round_: int) -> float:
    """Milliseconds a run over 8 new seeds times 8 decays, data included, through the pool that the app uses."""
    first = POOL_SEED + round_ * 8
    decays = [workload.settings.decay * factor for factor in (0, 0.1, 0.25, 0.5, 1, 2, 4, 8)]
    planned = [Run.of(replace(workload.settings, decay=d), first + i) for i in range(POOL_RUNS // len(decays)) for d in decays]
    with checkpoints_of(workload):
        started = time.perf_counter()
        finished = list(runs.sweep(planned).finished())
        seconds = time.perf_counter() - started
    assert len(finished) == POOL_RUNS
    return 1000 * seconds / POOL_RUNS


@contextlib.contextmanager
def checkpoints_of(workload: Workload) -> Iterator[None]:
    """Lets `runs` use the workload's number of checkpoints, which is no setting of the app."""
    original = runs.program_for
    runs.program_for = lambda run: replace(original(run), checkpoints=workload.checkpoints)
    try:
        yield
    finally:
        runs.program_for = original


def report_times(times: dict[str, list[float]]) -> None:
    report.figure(f"{OURS}, one run alone on one core", spread(times[OURS]))
    report.figure(f"{OURS}, a run with the pool busy", spread(times["pool"]))
    for peer, ms in times.items():
        if peer in (OURS, "pool"):
            continue
        report.figure(peer, spread(ms))
        goal = next((g for name, g in GOALS.items() if peer.startswith(name) and "fit alone" not in peer), None)
        for ours_is, label in ((OURS, "one run alone"), ("pool", "the pool")):
            ratio, of_minima = float(np.median(np.array(ms) / np.array(times[ours_is]))), min(ms) / min(times[ours_is])
            met = min(ratio, of_minima) >= goal if goal else None  # a goal is met only where both ratios say so
            report.figure(
                f"    against {label}", f"{ratio:8.1f} x median, {of_minima:.1f} x of min", f"at least {goal} x" if goal else "", met=met
            )


def spread(ms: Sequence[float]) -> str:
    return f"{np.median(ms):8.1f} ms median, {np.min(ms):.1f} min"


def report_accuracies(workload: Workload, accuracies: dict[str, list[float]]) -> None:
    """Also ours with what scikit-learn can do, so that scikit-learn has a like to be compared with."""
    program = replace(runs.program_for(Run.of(workload.like_sklearn, 0)), checkpoints=workload.checkpoints)
    as_sklearn = [float(ours(program, workload.like_sklearn, workload.job(i))[-1][1][2]) for i in range(ROUNDS)]
    rows = {peer: values for peer, values in accuracies.items() if not np.isnan(values).any()}
    rows = {k: v for k, v in rows.items() if "scikit" not in k} | {"this project as scikit-learn (L2, constant rate)": as_sklearn} | rows
    report.note(f"Test accuracy, mean over {ROUNDS} seeds and standard deviation between them:")
    for peer, values in rows.items():
        report.figure(peer, f"{100 * np.mean(values):8.1f} % +- {100 * np.std(values, ddof=1):.1f}")


def compilation(name: str) -> None:
    """The first call in a new process, with an empty and then a filled cache."""
    with tempfile.TemporaryDirectory() as cache:
        for state in ("empty", "filled"):
            command = [sys.executable, "-c", f"from tests.benchmarks import kernel; kernel.first_call({name!r})"]
            output = subprocess.run(command, env=os.environ | {"WDVIZ_CACHE": cache}, stdout=subprocess.PIPE, check=True, text=True).stdout
            report.figure(f"{OURS}, first call, {state} compilation cache", f"{1000 * json.loads(output):8.0f} ms")


def first_call(name: str) -> None:
    """Prints the seconds of a first call, compilation included."""
    workload = WORKLOADS[name]
    job = workload.job(0)
    runs.prepare()
    padded(workload.settings, 0)
    started = time.perf_counter()
    ours(workload.program, workload.settings, job)
    print(json.dumps(time.perf_counter() - started))
