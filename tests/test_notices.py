"""What the links under "Notice" say is what one sees, with other seeds than those of the page as it opens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from tests.test_experiments import made
from wdviz import runs
from wdviz.experiments import learning_rate, overfitting, sensitivity, speed
from wdviz.experiments.overfitting import Comparison, verdict
from wdviz.experiments.sensitivity import Sensitivity
from wdviz.experiments.speed import Series
from wdviz.plans import Landscape, Probe
from wdviz.settings import Settings
from wdviz.specs import specs
from wdviz.ui import address, prose
from wdviz.ui.scenes import speed as speed_words

ELSEWHERE = {"seed": 101, "seeds": 2}


def chosen(query: str) -> Settings:
    return replace(Settings(**{name: value for name, value in address.parse(query).items() if name in specs(Settings)}), **ELSEWHERE)


def queries(page: str) -> set[str]:
    return {query for _, query in prose.notice(page)}


# --- what it does -----------------------------------------------------------------------------------------------------------------


def names(c: Comparison) -> tuple[str, str]:
    without, with_decay = (verdict(arm, c.split).name for arm in c.arms)
    return without, with_decay


def gains(c: Comparison) -> list[float]:
    """What decay gains in test accuracy, seed by seed."""
    return [b.score("test") - a.score("test") for a, b in zip(c.without.histories, c.with_decay.histories, strict=True)]


OVERFITTING: dict[str, Callable[[Comparison], bool]] = {
    "decay=30": lambda c: names(c) == ("memorises", "learns nothing"),
    "decay=0.1": lambda c: names(c) == ("memorises", "memorises"),
    "decay=2&switch_at=200": lambda c: (
        names(c) == ("memorises", "memorises") and min(h.score("train") for h in c.with_decay.histories) > 0.9
    ),
    "flip=0&decay=2": lambda c: c.cut().low > 0.1 and abs(float(np.median(gains(c)))) < 0.03,
    "dataset=digits&n_train=150&flip=0.25&noise=0&decay=1": lambda c: names(c) == ("memorises", "generalises") and min(gains(c)) > 0,
    "learning_rate=0.05&decay=50": lambda c: names(c) == ("memorises", "diverged"),
}


@pytest.mark.parametrize("query", OVERFITTING)
def test_what_it_does(query: str):
    assert OVERFITTING[query](overfitting.run(chosen(query)))


def test_every_notice_of_the_first_two_pages_is_checked():
    assert queries("overfitting") == set(OVERFITTING)
    assert queries("sensitivity") == {*SENSITIVITY, "dataset=digits&n_train=150&flip=0.25&noise=0&decay=1"}  # which shows one digit


# --- why it helps -----------------------------------------------------------------------------------------------------------------


def probed(settings: Settings) -> Sensitivity:
    """Both arms alone."""
    jobs = [job for i in range(settings.seeds) for job in sensitivity.pair(settings, i)]
    found = sensitivity.summarise(settings, Probe(), runs.sweep(jobs).wait_all())
    assert found is not None
    return found


def reactions(found: Sensitivity) -> tuple[float, float]:
    without, with_decay = (arm.spread(lambda p: p.reaction).median for arm in found.arms)
    return without, with_decay


def clean(found: Sensitivity) -> list[float]:
    pairs = zip(found.without.probed, found.with_decay.probed, strict=True)
    return [b.score_at(0) - a.score_at(0) for a, b in pairs]


SENSITIVITY: dict[str, Callable[[Sensitivity, Sensitivity], bool]] = {  # what it says, and the page as it opens
    "decay=30": lambda found, _: found.with_decay.spread(lambda p: p.reaction).high < 1e-3,
    "decay=10": lambda found, _: found.ratio().low > 10 and found.with_decay.spread(lambda p: p.calibration.excess).high < -0.02,
    "regularisers=batch+norm": lambda found, opened: found.ratio().high < opened.ratio().low / 2,
    "regularisers=input+noise&input_noise=0.3": lambda found, opened: reactions(found)[0] < reactions(opened)[0] / 5,
    "flip=0&n_train=400": lambda found, _: found.ratio().low > 2 and max(clean(found)) < 0.01,
}


@pytest.fixture(scope="module")
def opened() -> Sensitivity:
    return probed(chosen(""))


@pytest.mark.parametrize("query", SENSITIVITY)
def test_why_it_helps(query: str, opened: Sensitivity):
    assert SENSITIVITY[query](probed(chosen(query)), opened)


# --- the learning rate ------------------------------------------------------------------------------------------------------------


def test_small_steps_leave_decay_little_time():
    s = chosen("learning_rate=0.001&decay=0.5")
    for pair in learning_rate.pairs(s, Landscape(map_seeds=1)):
        results = runs.sweep(pair).wait_all()
        without, with_decay = (results[run] for run in pair)
        assert with_decay.shrink[-1] > 0.8
        assert abs(with_decay.score("test") - without.score("test")) < 0.05


def test_above_two_it_diverges():
    (pair,) = learning_rate.pairs(chosen("learning_rate=0.2&decay=50"), Landscape(map_seeds=1))
    results = runs.sweep(pair).wait_all()
    assert [results[run].diverged for run in pair] == [False, True]


def test_a_decay_that_is_faster_by_less_than_a_step_is_not_called_faster():
    def said(ends: tuple[float, float]) -> str:
        return speed_words._fastest(Series(Settings(), (0.0, 0.01), tuple((made(end),) for end in ends)), "train", 0.2)

    assert said((0.1, 0.0999)) == "6 steps without decay, and no decay is faster"
    assert said((0.1, 0.05)) == "6 steps without decay, 5 with decay 0.01"


def test_little_decay_costs_no_time_and_much_never_gets_there():
    s = chosen("")
    steps = {}
    for decay in (0.0, 0.02, 20.0):
        run = learning_rate.cell_run(s, decay, s.seed)
        steps[decay] = speed.steps_to_reach(runs.sweep([run]).wait_all()[run], "train", 0.4)
    assert steps[0.02] < 1.3 * steps[0.0] < 100
    assert steps[20.0] == np.inf
