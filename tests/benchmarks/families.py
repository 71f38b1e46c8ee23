"""Milliseconds a training run of each model family, this project's kernel beside PyTorch on the same network, data and evaluations."""

from __future__ import annotations

import functools
import importlib
import itertools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np

from tests.benchmarks import report
from tests.benchmarks.kernel import OURS, TORCH_CHOICES, fastest, spread, timed
from tests.benchmarks.peers import HAS_TORCH, Job, Records, torch_train
from wdviz import datasets, models, runs, training
from wdviz.program import Hyperparameters, Program
from wdviz.runs import Run
from wdviz.settings import Settings

ROUNDS = 3
POOL_RUNS = 8
GOAL = 5
COMMON = Settings(
    dataset="digits",
    n_train=200,
    flip=0.0,
    noise=0.0,
    budget=4000,
    depth=2,
    batch_size=64,
    steps=300,
    learning_rate=0.01,
    decay=1.0,
    regularisers=("dropout",),
    dropout=0.2,
)
FAMILIES = {
    "feedforward": replace(COMMON, model="feedforward"),
    "convolutional": replace(COMMON, model="convolutional"),
    "recurrent, tanh": replace(COMMON, model="recurrent", cell="tanh"),
    "recurrent, GRU": replace(COMMON, model="recurrent", cell="gru"),
    "attention": replace(COMMON, model="attention"),
}


def main() -> None:
    rows = datasets.REGISTRY[COMMON.dataset]
    report.title("FAMILIES: ms a run on digits, 200 points in batches of 64, 300 AdamW steps, dropout, two layers of about 4000 parameters")
    report.note(f"30 evaluations on all {200 + rows.n_validation + rows.n_test} rows. PyTorch: eager, its own layers,")
    report.note("the fastest of 1 or 2 threads, AdamW fused or not. In each round both run once, in turn, and then the pool of 2.")
    if not HAS_TORCH:
        report.note("PyTorch is not installed: left out (it comes with the group `peers`).")
    for name, settings in FAMILIES.items():
        measure(name, settings)


def measure(name: str, settings: Settings) -> None:
    program = program_of(settings)
    job = job_of(settings, program, ROUNDS)
    started = time.perf_counter()
    training.compiled(program)
    seconds = time.perf_counter() - started
    report.title(f"{name}: width {program.hidden[0]}, {models.parameter_count(program)} parameters, compiled in {seconds:.1f} s")
    found: dict[str, Callable[[Job], Any]] = {OURS: functools.partial(ours, program)}
    if HAS_TORCH:
        network = functools.partial(torch_network, program)
        options: dict[str, Callable[[Job], Any]] = {
            f"PyTorch, {threads} thread{'s' * (threads > 1)}{', fused' * fused}": functools.partial(
                torch_train, network=network, threads=threads, fused=fused
            )
            for threads, fused in TORCH_CHOICES
        }
        found |= fastest(options, job)
    for run in found.values():
        run(job)
    times: dict[str, list[float]] = {peer: [] for peer in [*found, "pool"]}
    for round_ in range(ROUNDS):
        job = job_of(settings, program, round_)
        for peer, run in found.items():
            times[peer].append(timed(functools.partial(run, job))[0])
        times["pool"].append(pool_ms(program, settings, round_))
    report_times(times)


def report_times(times: dict[str, list[float]]) -> None:
    report.figure(f"{OURS}, one run alone on one core", spread(times[OURS]))
    report.figure(f"{OURS}, a run with the pool of 2 busy", spread(times["pool"]))
    for peer in times:
        if peer in (OURS, "pool"):
            continue
        report.figure(peer, spread(times[peer]))
        for against in (OURS, "pool"):
            ratio = min(times[peer]) / min(times[against])
            goal = {"goal": f"at least {GOAL} x", "met": ratio >= GOAL} if against == "pool" else {}
            report.figure(f"    against {'one run alone' if against == OURS else 'the pool'}", f"{ratio:8.1f} x of minima", **goal)


def program_of(settings: Settings) -> Program:
    """The app's program without padded rows and the grid, so that PyTorch has to do no less."""
    return replace(runs.program_for(Run.of(settings, 0)), n_train=settings.n_train, checkpoints=30, grid=0)


def job_of(settings: Settings, program: Program, seed: int) -> Job:
    at = np.unique(training.checkpoints(settings.steps, program.checkpoints)).tolist()
    return Job.of(settings, datasets.split_for(settings, seed), seed, at)


def ours(program: Program, job: Job) -> Records:
    """One call of the kernel; only the last evaluation is handed on."""
    splits = ("train", "validation", "test")
    n, *_ = job.sizes
    cuts = np.cumsum(job.sizes)[:-1]
    data: dict[str, Any] = {"n_train": n}
    for part, array in (("x", job.x_all), ("y", job.y_all)):
        data |= {f"{part}_{split}": piece for split, piece in zip(splits, np.split(array, cuts), strict=True)}
    history = training.train(program, Hyperparameters.of(job.settings, job.seed), data)
    return [(np.array([history.losses[s][-1] for s in splits]), np.array([history.scores[s][-1] for s in splits]))]


def pool_ms(program: Program, settings: Settings, round_: int) -> float:
    """Milliseconds a run with two workers, each on its core."""
    jobs = [job_of(settings, program, 100 + POOL_RUNS * round_ + i) for i in range(POOL_RUNS)]
    with ThreadPoolExecutor(2) as pool:
        started = time.perf_counter()
        list(pool.map(functools.partial(ours, program), jobs))
        return 1000 * (time.perf_counter() - started) / POOL_RUNS


def torch_network(program: Program, job: Job) -> Any:
    """The program's network from PyTorch's own layers."""
    nn: Any = importlib.import_module("torch").nn
    first, *_ = program.hidden
    depth, (height, width, channels) = len(program.hidden), program.shape
    rows, ends = nn.Unflatten(1, (height, width * channels)), [nn.Dropout(job.dropout)]
    if program.family == "feedforward":
        sizes = [program.inputs, *program.hidden]
        dense = [nn.Sequential(nn.Linear(a, b), nn.ReLU(), nn.Dropout(job.dropout)) for a, b in itertools.pairwise(sizes)]
        return nn.Sequential(*dense, nn.Linear(first, program.outputs))
    if program.family == "convolutional":
        sizes = [channels, *program.hidden]
        blocks = [nn.Sequential(nn.Conv2d(a, b, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2)) for a, b in itertools.pairwise(sizes)]
        places = height * width // 4**depth
        return nn.Sequential(
            nn.Unflatten(1, (channels, height, width)), *blocks, nn.Flatten(), *ends, nn.Linear(places * first, program.outputs)
        )
    if program.family == "recurrent":
        cell = {"tanh": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[program.cell]
        recurrent = cell(width * channels, first, depth, batch_first=True, dropout=job.dropout)
        return nn.Sequential(rows, recurrent, _pick(lambda given: given[0][:, -1]), *ends, nn.Linear(first, program.outputs))
    return nn.Sequential(rows, _encoder(program, job), _pick(lambda tokens: tokens.mean(1)), nn.Linear(first, program.outputs))


def _encoder(program: Program, job: Job) -> Any:
    torch: Any = importlib.import_module("torch")
    nn, (height, width, channels), size = torch.nn, program.shape, program.hidden[0]
    layer = nn.TransformerEncoderLayer(size, program.heads, 2 * size, job.dropout, batch_first=True, norm_first=True)
    layer.dropout, layer.self_attn.dropout = nn.Identity(), 0.0  # this project drops only what each half of a block adds
    embedding = nn.Linear(width * channels, size)
    positions = nn.Parameter(0.02 * torch.randn(height, size))
    encoder = nn.TransformerEncoder(layer, len(program.hidden), nn.LayerNorm(size), enable_nested_tensor=False)

    class Encoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding, self.positions, self.encoder = embedding, positions, encoder

        def forward(self, x: Any) -> Any:
            return self.encoder(self.embedding(x) + self.positions)

    return Encoder()


def _pick(function: Callable[[Any], Any]) -> Any:
    nn: Any = importlib.import_module("torch").nn

    class Pick(nn.Module):
        def forward(self, given: Any) -> Any:
            return function(given)

    return Pick()
