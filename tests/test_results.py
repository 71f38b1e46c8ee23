"""What a history, a spread and an arm say of themselves."""

from __future__ import annotations

import math
import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.test_experiments import made
from wdviz.results import Arm, Spread


def test_numbers_are_those_of_the_checkpoint_kept():
    history = made(0.1, 0.3, scores=(1.0, 0.9))
    assert (history.loss("train"), history.loss("test"), history.score("test")) == (0.1, 0.3, 0.9)
    assert history.gap == pytest.approx(0.2)
    first = replace(history, kept=0)
    assert (first.loss("train"), first.score("train"), first.gap) == (0.7, 0.5, 0.0)


def test_norm_is_that_of_all_layers_together_and_does_not_overflow():
    history = replace(made(), norms=np.array([[1, 1], [3e30, 4e30]], np.float32))
    assert history.norm == pytest.approx(5e30)
    assert replace(history, kept=0).norm == pytest.approx(math.sqrt(2))


def test_memory_counts_every_array():
    history = made()
    film = np.zeros((3, 5), np.float32)
    assert replace(history, film_grid=film).nbytes == history.nbytes + film.nbytes
    assert replace(history, film_params={"layer1": {"weight": film, "bias": film}}).nbytes == history.nbytes + 2 * film.nbytes
    assert history.nbytes >= history.norms.nbytes + sum(a.nbytes for a in (*history.losses.values(), *history.scores.values()))


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_a_number_that_is_none_means_diverged(broken):
    assert not made().diverged
    assert made(train=broken).diverged
    assert made(test=broken).diverged
    assert made(norm=broken).diverged
    assert Arm("with", 1.0, (made(), made(norm=broken))).diverged
    assert not Arm("with", 1.0, (made(), made())).diverged


@given(st.lists(st.floats(-1e6, 1e6), min_size=1))
def test_spread(values):
    spread = Spread.of(iter(values))
    ordered = sorted(values)
    middle = (ordered[(len(values) - 1) // 2] + ordered[len(values) // 2]) / 2
    assert spread.median == pytest.approx(middle)
    assert (spread.low, spread.high, spread.seeds) == (ordered[0], ordered[-1], len(values))


def test_spread_of_nothing_and_of_what_is_no_number():
    with pytest.raises(ValueError, match="at least one seed"):
        Spread.of([])
    assert math.isnan(Spread.of([1.0, math.nan]).median)
    assert Spread.of([1.0, math.inf, math.inf]).median == math.inf


def test_arm_spreads_a_number_over_its_seeds():
    arm = Arm("with", 2.0, (made(test=0.2), made(test=0.4), made(test=0.3)))
    assert arm.spread(lambda h: h.loss("test")) == Spread(0.3, 0.2, 0.4, 3)


def test_the_bytes_of_a_history_do_not_depend_on_what_was_read_off_it():
    history = made()
    before = pickle.dumps(history)
    assert not history.diverged
    assert history.nbytes > 0
    assert pickle.dumps(history) == before
    assert pickle.loads(before).nbytes == history.nbytes
