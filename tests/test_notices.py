"""What the links under "Notice" say is what one sees, with other seeds than those of the page as it opens."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from tests.test_experiments import made
from wdviz import runs
from wdviz.experiments import combining, learning_rate, matching, overfitting, parts, price, sensitivity, speed
from wdviz.experiments.overfitting import Comparison, verdict
from wdviz.experiments.price import Price
from wdviz.experiments.sensitivity import Sensitivity
from wdviz.experiments.speed import Series
from wdviz.plans import Combine, Families, Landscape, Probe, Search
from wdviz.results import History
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


def best_decays(settings: Settings, rates: tuple[float, ...], decays: tuple[float, ...]) -> list[float]:
    """Of each learning rate the decay of the lowest validation loss, median over the seeds."""
    seeds = range(settings.seed, settings.seed + settings.seeds)
    cells = {(r, d): [learning_rate.cell_run(replace(settings, learning_rate=r), d, seed) for seed in seeds] for r in rates for d in decays}
    results = runs.sweep([run for cell in cells.values() for run in cell]).wait_all()
    lost = {run: math.inf if results[run].diverged else results[run].loss("validation") for cell in cells.values() for run in cell}
    losses = {at: np.median([lost[run] for run in cell]) for at, cell in cells.items()}
    return [min(decays, key=lambda d, r=r: losses[r, d]) for r in rates]


def test_in_the_paper_s_convention_the_best_decay_moves_with_the_learning_rate():
    assert "against=independent" in queries("learning-rate")
    low, high = best_decays(replace(chosen(""), decay_kind="independent"), (0.002, 0.1), (0.001, 0.005, 0.02, 0.1))
    assert low < high


# --- how to choose it -------------------------------------------------------------------------------------------------------------


def priced(query: str) -> Price:
    """Cross-validation over fewer decays and folds than on the page, and the test set opened."""
    s = replace(chosen(query), **ELSEWHERE)
    found = price.run(s, Search(candidates=7, folds=3))
    assert found is not None
    return found


def picked(found: Price, way: str) -> float:
    return float(np.median([found.decays[i] for i in found.picks[way]]))


@pytest.fixture(scope="module")
def plainly() -> Price:
    return priced("tested=1")


def test_cross_validation_asks_for_more_decay_than_the_test_set(plainly: Price):
    assert picked(plainly, "best") > picked(plainly, "oracle")


def test_more_points_ask_for_less_decay(plainly: Price):
    assert {"tested=1", "n_train=160"} <= queries("tuning")
    assert picked(priced("n_train=160"), "best") < picked(plainly, "best")


def test_beside_early_stopping_little_is_left_to_gain(plainly: Price):
    (query,) = (query for query in queries("tuning") if "early" in query)
    assert priced(query).price("none").high < 0.25 < 0.5 < plainly.price("none").low


def test_of_medical_data_it_finds_nearly_all_that_decay_can_save():
    (query,) = (query for query in queries("tuning") if "cancer" in query)
    assert priced(query).found > 0.9


# --- combinations -----------------------------------------------------------------------------------------------------------------


def cells(query: str, *names: str) -> dict[tuple[str, ...], float]:
    """Test losses of none, of each alone, and of decay with each, mean over three seeds; decay comes first."""
    asked = combining.design(replace(chosen(query), seeds=3), Combine(factors=tuple(sorted(("decay", *names)))))
    wanted = [levels for levels in combining.table(asked)[0] if sum(levels) < 2 or (sum(levels) == 2 and levels[0])]
    table = [{levels: of_seed[levels] for levels in wanted} for of_seed in combining.table(asked)]
    results = runs.sweep([run for of_seed in table for run in of_seed.values()]).wait_all()
    named = {levels: tuple(name for name, on in zip(asked.factors, levels, strict=True) if on) for levels in wanted}
    return {named[levels]: float(np.mean([results[of_seed[levels]].loss("test") for of_seed in table])) for levels in wanted}


DIGITS = "dataset=digits&n_train=200&flip=0.3&noise=0&learning_rate=0.02&steps=500&decay="


def test_dropout_or_augmentation_alone_does_most_of_what_decay_does():
    assert f"{DIGITS}0.7" in queries("combinations")
    loss = cells(f"{DIGITS}0.7", "dropout", "augmentation")
    for name in ("dropout", "augmentation"):
        assert loss[()] - loss[name,] > 0.6 * (loss[()] - loss["decay",])
        assert loss["decay", name] > min(loss["decay",], loss[name,])  # full doses of both are too much


def test_milder_doses_are_in_conflict_no_more():
    query = f"{DIGITS}0.2&dropout=0.1"
    assert query in queries("combinations")
    loss = cells(query, "dropout", "augmentation")
    assert loss["decay", "dropout"] < min(loss["decay",], loss["dropout",])
    assert loss["decay", "augmentation"] < min(loss["decay",], loss["augmentation",]) + 0.05


def test_with_clean_labels_there_is_little_to_gain_and_decay_with_augmentation_is_too_much():
    query = f"{DIGITS}0.7".replace("flip=0.3", "flip=0")
    assert query in queries("combinations")
    loss = cells(query, "augmentation")
    assert 0 < loss[()] - loss["decay",] < 0.25
    assert loss["decay", "augmentation"] > max(loss["decay",], loss["augmentation",])


# --- architectures ----------------------------------------------------------------------------------------------------------------


def ends(query: str, family: str) -> list[History]:
    """The first seed's network of a family, without decay and with it."""
    base = matching.compared(chosen(query), Families())
    tried = [matching.brief(replace(matching.of_family(base, family), decay=decay), base.seed) for decay in (0.0, base.decay)]
    results = runs.sweep(tried).wait_all()
    return [results[run] for run in tried]


def test_much_decay_leaves_few_eigenvalues():
    assert "decay=5" in queries("architectures")
    matrices = [history.params["layer1 recurrent"]["weight"] for history in ends("decay=5", "recurrent")]
    without, with_decay = (np.mean(np.abs(np.linalg.eigvals(matrix)) > 0.1) for matrix in matrices)
    assert without > 0.8
    assert with_decay < 0.25


def test_filters_are_about_half_as_large():
    assert "inside=convolutional&decay=1" in queries("architectures")
    without, with_decay = (history.norms[-1, 0] for history in ends("decay=1", "convolutional"))
    assert 0.4 < with_decay / without < 0.7


def test_norm_scales_are_better_spared():
    (query,) = (query for query in queries("architectures") if query.startswith("dataset=digits"))
    base = matching.compared(chosen(query), Families())
    rules = parts.rules(base, "attention")
    for seed in range(base.seed, base.seed + base.seeds):
        tried = [matching.brief(rules[rule], seed) for rule in (("all", ""), ("norm scales", "spared"), ("feedforward block", "spared"))]
        results = runs.sweep(tried).wait_all()
        everything, scales, block = (results[run].loss("test") for run in tried)
        assert scales < everything - 0.4
        assert scales < block
