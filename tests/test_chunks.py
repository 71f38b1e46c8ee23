"""Runs trained together give what each gives alone, and jobs carried at the same time go on in chunks."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from tests.helpers import count_compilations, random_data
from wdviz import chunks, training
from wdviz.chunks import Chunks
from wdviz.program import Hyperparameters, Program

SMALL = Program(
    task="classification",
    inputs=2,
    outputs=2,
    n_train=12,
    n_validation=8,
    n_test=8,
    grid=4,
    hidden=(4,),
    batch_size=4,
    regularisers=("dropout",),  # draws in each step, as batches do
    checkpoints=5,
    max_steps=40,
)
HYPERS = [Hyperparameters(decay=decay, seed=seed, steps=40, learning_rate=0.01) for seed, decay in enumerate((0.0, 2.0, 0.5, 5.0, 1.0))]


def test_runs_trained_together_give_what_each_gives_alone() -> None:
    data = [random_data(SMALL, seed) for seed in range(5)]
    alone = [training.train(SMALL, hyper, each) for hyper, each in zip(HYPERS, data, strict=True)]
    with count_compilations() as compiled:
        together = training.train_many(SMALL, HYPERS, data, 3)  # the second chunk has two runs and one that fills it up
        assert len(compiled) == 1
        assert len(training.train_many(SMALL, HYPERS[:4], data[:4], 3)) == 4
        assert len(compiled) == 1
    assert len(together) == 5
    for one, other in zip(alone, together, strict=True):
        for split in one.losses:
            np.testing.assert_allclose(other.losses[split], one.losses[split], rtol=1e-5)
        np.testing.assert_allclose(other.step_losses, one.step_losses, rtol=1e-5)
        np.testing.assert_allclose(other.grid, one.grid, rtol=1e-4)
        for layer in one.start:
            np.testing.assert_array_equal(other.start[layer]["weight"], one.start[layer]["weight"])
        assert other.layers == one.layers
    # Filling up leaks nothing: each run is as it is among others.
    np.testing.assert_array_equal(training.train_many(SMALL, HYPERS[:1], data[:1], 3)[0].losses["test"], together[0].losses["test"])


def test_runs_of_different_lengths_are_not_trained_together() -> None:
    data = random_data(SMALL)
    with pytest.raises(ValueError, match=r"steps is 10, 40; it must be the same for runs that are trained together"):
        training.train_many(SMALL, [HYPERS[0], replace(HYPERS[0], steps=10)], [data, data], 4)
    with pytest.raises(ValueError, match=r"n_train is 11, 12; it must be the same"):
        training.train_many(SMALL, HYPERS[:2], [data, data | {"n_train": 11}], 4)
    with pytest.raises(ValueError, match=r"n_held is 0, 2; it must be the same"):
        training.train_many(SMALL, HYPERS[:2], [data | {"n_train": 10}, data | {"n_train": 10, "n_held": 2}], 4)


@dataclass(frozen=True)
class Numbered:
    number: int
    group: str | None


@dataclass(frozen=True)
class Several:
    jobs: tuple[Numbered, ...]


def numbers(job: Any) -> Any:
    """What a job gives: its number and how many were done with it."""
    if isinstance(job, Several):
        if any(each.number < 0 for each in job.jobs):
            raise ValueError("below 0")
        return [(each.number, len(job.jobs)) for each in job.jobs]
    return job.number, 1


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> Chunks:
    monkeypatch.setattr(chunks, "PAUSE_S", 30)
    return Chunks(numbers, lambda job: job.group, Several, 3)


def test_jobs_of_a_group_go_on_together(patient: Chunks) -> None:
    jobs = [Numbered(i, "ab"[i % 2]) for i in range(12)]
    with ThreadPoolExecutor(12) as pool:
        assert list(pool.map(patient.carry, jobs)) == [(i, 3) for i in range(12)]


def test_a_job_without_a_group_goes_on_alone(patient: Chunks) -> None:
    assert patient.carry(Numbered(7, None)) == (7, 1)


def test_a_chunk_that_does_not_fill_up_goes_on_all_the_same() -> None:
    assert Chunks(numbers, lambda job: job.group, Several, 3).carry(Numbered(7, "a")) == (7, 1)


def test_what_a_chunk_raises_each_caller_gets(patient: Chunks) -> None:
    with ThreadPoolExecutor(3) as pool:
        for future in [pool.submit(patient.carry, Numbered(i, "a")) for i in (-1, 0, 1)]:
            with pytest.raises(ValueError, match="below 0"):
                future.result()
