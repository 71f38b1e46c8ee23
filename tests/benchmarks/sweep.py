"""Seconds for a whole map of learning rate against decay, beside the same sweep by other libraries, and the share of the machine's peak."""

from __future__ import annotations

import functools
import itertools
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.benchmarks import report
from tests.benchmarks.kernel import TORCH_CHOICES, fastest, limited
from tests.benchmarks.peers import HAS_TORCH, Job, sklearn_run, torch_run
from wdviz import datasets, runs, training
from wdviz.experiments import learning_rate
from wdviz.plans import Landscape
from wdviz.runs import Run
from wdviz.settings import Settings

SEED = 9000  # seeds from here on are in no cache of finished runs
PEER_RUNS = 20
FIRST_S, WHOLE_S = 0.5, 20
L2 = 0.003  # scikit-learn has coupled decay only; its amount hardly changes its time
SIDE = 2048  # of the matrices whose product is taken for the machine's peak


def main() -> None:
    report.title("SWEEP: the default page's map, 12 x 12 cells x 3 seeds = 432 runs, on the pool")
    report.note("Other libraries: 20 of these runs, evenly spread over the map, one after the other; their time x 432 / 20.")
    runs.warm_up([Settings()])
    planned = jobs(SEED)
    assert len({job for group in planned for job in group}) == 432
    first, seconds = ours(planned)
    report.figure("first cells", f"{first:8.2f} s", f"at most {FIRST_S} s", met=first <= FIRST_S)
    report.figure("all 432 runs", f"{seconds:8.1f} s", f"at most {WHOLE_S} s", met=seconds <= WHOLE_S)
    peers(planned, seconds)
    peak = matrix_product_peak()
    useful = sum(operations(job.settings) for group in planned for job in group)
    report.figure("matrix products of the runs", f"{useful / 1e9:8.0f} billion operations")
    report.figure(f"machine's peak, {SIDE} x {SIDE} by NumPy", f"{peak / 1e9:8.0f} billion a second")
    report.figure("share of that peak", f"{100 * useful / seconds / peak:8.1f} %")


def jobs(seed: int) -> list[list[Run]]:
    """The runs of the decoupled map in the page's order; its first group is that of the page, without the other map's cells."""
    groups = learning_rate.groups(Settings(seed=seed), Landscape())
    return [mine for group in groups if (mine := [run for run in group if run.settings.decay_kind == "decoupled"])]


def ours(planned: list[list[Run]]) -> tuple[float, float]:
    """Seconds until the first group is whole, and until all are; data are drawn within that time."""
    started = time.perf_counter()
    runs.sweep(planned[0]).wait_all()
    first = time.perf_counter() - started
    runs.sweep([job for group in planned for job in group]).wait_all()
    return first, time.perf_counter() - started


def peers(planned: list[list[Run]], seconds: float) -> None:
    every = list(dict.fromkeys(job for group in planned for job in group))
    chosen = [job_of(every[i]) for i in np.linspace(0, len(every) - 1, PEER_RUNS).astype(int)]
    for name, run in contenders(chosen[0]).items():
        run(chosen[0])  # what a first run sets up counts for nothing
        started = time.perf_counter()
        for job in chosen:
            run(job)
        whole = (time.perf_counter() - started) * len(every) / PEER_RUNS
        report.figure(f"{name}, extrapolated", f"{whole:8.0f} s", f"{whole / seconds:.1f} x ours")


def contenders(job: Job) -> dict[str, Callable[[Job], Any]]:
    """Each library with its best number of threads for this network."""
    found: dict[str, Callable[[Job], Any]] = {}
    if HAS_TORCH:
        options = {
            f"PyTorch, {threads} thread{'s' * (threads > 1)}{', fused' * fused}": functools.partial(torch_run, threads=threads, fused=fused)
            for threads, fused in TORCH_CHOICES
        }
        found |= fastest(options, job)
    options = {
        f"scikit-learn, {threads} thread{'s' * (threads > 1)}": limited(functools.partial(sklearn_run, l2=L2), threads)
        for threads in (1, 2)
    }
    return found | fastest(options, job)


def job_of(run: Run) -> Job:
    at = np.unique(training.checkpoints(run.settings.steps, runs.program_for(run).checkpoints)).tolist()
    return Job.of(run.settings, datasets.split_for(run.settings, run.seed), run.seed, at)


def operations(s: Settings) -> float:
    """Multiplications and additions of a run's matrix products: steps forward and backward, evaluations, and the grid at the end."""
    entry = datasets.REGISTRY[s.dataset]
    widths = (entry.inputs, *s.hidden, len(entry.classes) or 1)
    pairs = [a * b for a, b in itertools.pairwise(widths)]
    batch = min(s.batch_size, s.n_train)
    step = 2 * batch * (3 * sum(pairs) - pairs[0])  # backward there is no gradient of the inputs
    program = runs.program_for(Run.of(s, 0))
    scored = program.checkpoints * (s.n_train + program.n_validation + program.n_test) + program.grid
    return float(s.steps * step + 2 * scored * sum(pairs))


def matrix_product_peak() -> float:
    """Operations a second of the best of several large float32 matrix products, on all cores."""
    a, b = (np.random.default_rng(i).normal(size=(SIDE, SIDE)).astype(np.float32) for i in range(2))
    times = []
    for _ in range(6):
        started = time.perf_counter()
        np.matmul(a, b)
        times.append(time.perf_counter() - started)
    return 2 * SIDE**3 / min(times)
