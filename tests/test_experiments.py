"""Pairs, medians and verdicts of the overfitting experiment, on made-up histories and on real runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from wdviz import datasets, runs
from wdviz.experiments import overfitting
from wdviz.experiments.overfitting import MEMORISES_GAP, NOTHING, R2_GAP, R2_NOTHING, SUGGESTED, Comparison
from wdviz.results import SPLITS, Arm, History
from wdviz.runs import Run
from wdviz.settings import DATASETS, Settings
from wdviz.sweeps import Cache, Sweep

MOONS = datasets.split_for(Settings(), 0)
SINE = datasets.split_for(Settings(dataset="sine", n_train=20), 0)


def planned(settings: Settings) -> list[Run]:
    return [run for both in overfitting.pairs(settings) for run in both]


def made(train: float = 0.1, test: float = 0.2, *, scores: tuple[float, float] = (1.0, 0.9), norm: float = 3.0) -> History:
    """A history of two checkpoints that ends with these losses and scores."""
    ends = {"train": train, "validation": test, "test": test}
    return History(
        steps=np.array([0, 10]),
        losses={s: np.array([0.7, ends[s]]) for s in SPLITS},
        scores={s: np.array([0.5, scores[s != "train"]]) for s in SPLITS},
        penalty=np.array([4.0, 2.0]),
        shrink=np.array([1.0, 0.5]),
        norms=np.array([[2.0], [norm]]),
        angles=np.zeros((2, 1)),
        step_losses=np.full(10, train),
        layers=("output",),
        kept=1,
        start={"output": {"weight": np.ones((2, 2)), "bias": np.zeros(2)}},
        params={"output": {"weight": np.ones((2, 2)), "bias": np.zeros(2)}},
        grid=np.full((6400, 2), 0.5),
    )


def arm(*histories: History, decay: float = 2.0) -> Arm:
    return Arm("with" if decay else "without", decay, histories)


def comparison(without: Sequence[History], with_decay: Sequence[History], settings: Settings | None = None) -> Comparison:
    chosen = settings or Settings()
    split = datasets.split_for(chosen, chosen.seed)
    plane = datasets.plane(split)
    return Comparison(chosen, split, plane, arm(*without, decay=0.0), arm(*with_decay, decay=chosen.decay))


# Plans and pairs


def test_the_first_repetition_comes_first_and_alone_carries_pictures():
    chosen = Settings(seeds=3, seed=7, decay=5.0)
    order = planned(chosen)
    assert [r.seed for r in order] == [7, 7, 8, 8, 9, 9]
    assert [r.settings.decay for r in order] == [0.0, 5.0] * 3
    assert [r.pictures for r in order] == [True, True, False, False, False, False]
    assert order == [r for i in range(3) for r in overfitting.pair(chosen, i)]


def test_both_runs_of_a_pair_differ_in_decay_alone():
    without, with_decay = overfitting.pair(Settings(decay=5.0), 2)
    assert replace(with_decay, settings=replace(with_decay.settings, decay=0.0)) == without


def test_the_arm_without_decay_has_no_switch():
    without, with_decay = overfitting.pair(Settings(switch_at=100, decay_after=5.0), 0)
    assert without == overfitting.pair(Settings(), 0)[0]
    assert (with_decay.settings.switch_at, with_decay.settings.decay_after) == (100, 5.0)


def test_a_film_is_of_the_first_repetition():
    chosen = Settings(seed=7, switch_at=100)
    assert overfitting.film_pair(chosen) == tuple(replace(run, pictures=False, film=True) for run in overfitting.pair(chosen, 0))


def test_runs_without_decay_stay_as_they_are_while_decay_moves():
    assert planned(Settings(decay=1.0))[::2] == planned(Settings(decay=3.0))[::2]


def test_without_decay_both_runs_are_one():
    assert len(set(planned(Settings(decay=0.0, seeds=4)))) == 4


# Comparisons


def test_comparison_needs_the_first_pair_and_grows_pair_by_pair():
    chosen = Settings(seeds=3)
    (a0, b0), (a1, b1), (a2, b2) = (overfitting.pair(chosen, i) for i in range(3))
    results: dict[Run, History] = {}
    seen = []
    for run in (a0, a1, b1, b0, b2, a2):  # the second pair is finished before the first
        results[run] = made(test=run.seed + (0.5 if run.settings.decay else 1.0))
        found = overfitting.compare(chosen, results)
        seen.append(
            None
            if found is None
            else [(x.loss("test"), y.loss("test")) for x, y in zip(*(arm.histories for arm in found.arms), strict=True)]
        )
    two = [(1.0, 0.5), (2.0, 1.5)]
    assert seen == [None, None, None, two, two, [*two, (3.0, 2.5)]]


def test_comparison_ignores_runs_of_other_settings():
    other = {run: made() for run in planned(Settings(decay=7.0))}
    assert overfitting.compare(Settings(decay=3.0), other) is None


def test_arms_are_named_and_carry_their_decay():
    chosen = Settings(seeds=1, decay=3.0)
    found = overfitting.compare(chosen, {run: made() for run in planned(chosen)})
    assert found is not None
    assert [(a.name, a.decay) for a in found.arms] == [("without", 0.0), ("with", 3.0)]
    assert found.split is datasets.split_for(chosen, 0)


@given(st.lists(st.tuples(st.floats(1e-3, 1e3), st.floats(1e-3, 1e3)), min_size=1, max_size=9))
def test_cut_is_the_median_of_the_pairs_own_cuts(losses):
    cut = comparison([made(test=a) for a, _ in losses], [made(test=b) for _, b in losses]).cut()
    shares = [(a - b) / a for a, b in losses]
    assert [cut.median, cut.low, cut.high] == pytest.approx([np.median(shares), min(shares), max(shares)], rel=1e-9, abs=1e-9)
    assert cut.seeds == len(losses)


def test_cut_from_a_loss_of_zero():
    assert comparison([made(test=0.0)], [made(test=0.0)]).cut().median == 0
    assert comparison([made(test=0.0)], [made(test=0.3)]).cut().median == -math.inf


# Verdicts


@given(st.lists(st.integers(0, 9), min_size=4, max_size=60))
def test_label_entropy_is_that_of_scipy(labels):
    split = datasets.load("digits", len(labels), 0.0, 0.0, 0)
    padded = np.concatenate([labels, np.full(len(split.y_train) - len(labels), 3)]).astype(np.int32)
    found = overfitting.label_entropy(replace(split, y_train=padded))
    assert found == pytest.approx(stats.entropy(np.bincount(labels)), abs=1e-12)
    assert math.copysign(1, found) == 1  # never -0.00 in the words


CEILING, MARGIN = NOTHING * overfitting.label_entropy(MOONS), MEMORISES_GAP * math.log(2)


def below(value: float) -> float:
    return math.nextafter(value, -math.inf)


def above(value: float) -> float:
    return math.nextafter(value, math.inf)


@pytest.mark.parametrize(
    ("train", "test", "name"),
    [
        (CEILING, CEILING, "learns nothing"),
        (below(CEILING), CEILING, "generalises"),
        (CEILING, 5.0, "learns nothing"),
        (below(CEILING), 5.0, "memorises"),
        (0.0, MARGIN, "generalises"),
        (0.0, above(MARGIN), "memorises"),
        (0.0, 0.0, "generalises"),
        (0.3, 0.1, "generalises"),
        (0.1, math.nan, "diverged"),
        (math.inf, 0.1, "diverged"),
    ],
)
def test_verdict_on_classes_around_each_threshold(train, test, name):
    said = overfitting.verdict(arm(made(train, test)), MOONS)
    assert said.name == name
    assert said.words.startswith(f"{name}:")


@pytest.mark.parametrize(
    ("scores", "name"),
    [
        ((below(R2_NOTHING), 0.0), "learns nothing"),
        ((R2_NOTHING, 0.0), "generalises"),
        ((R2_NOTHING, R2_NOTHING - 0.31), "memorises"),
        ((0.75, 0.75 - R2_GAP), "generalises"),
        ((0.75, below(0.75 - R2_GAP) - 1e-12), "memorises"),
        ((-0.5, -3.0), "learns nothing"),
    ],
)
def test_verdict_on_values_around_each_threshold(scores, name):
    assert overfitting.verdict(arm(made(scores=scores)), SINE).name == name


def test_verdict_is_that_of_the_median_and_one_diverged_seed_shows():
    good, bad = made(0.1, 0.2), made(0.0, 5.0)
    assert overfitting.verdict(arm(good, bad, good), MOONS).name == "generalises"
    assert overfitting.verdict(arm(good, bad, bad), MOONS).name == "memorises"
    assert overfitting.verdict(arm(good, good, made(norm=math.inf)), MOONS).name == "diverged"


def test_the_rule_names_the_thresholds():
    assert f"{MARGIN:.2f}" in overfitting.verdict(arm(made(0.0, 5.0)), MOONS).rule
    nothing = overfitting.verdict(arm(made(1.0, 1.0)), MOONS).rule
    assert f"at least {round(100 * NOTHING)} % of {overfitting.label_entropy(MOONS):.2f}," in nothing
    assert str(R2_GAP) in overfitting.verdict(arm(made(scores=(1.0, 0.0))), SINE).rule
    assert f"below {R2_NOTHING}" in overfitting.verdict(arm(made(scores=(0.0, 0.0))), SINE).rule


def test_words_do_not_blame_a_pull_that_is_not_there():
    nothing, large = made(1.0, 1.0, norm=0.9), made(1.0, 1.0, norm=1.1)
    assert "pull to zero" in overfitting.verdict(arm(nothing, decay=2.0), MOONS).words
    assert "pull to zero" not in overfitting.verdict(arm(nothing, decay=0.0), MOONS).words
    assert "pull to zero" not in overfitting.verdict(arm(large, decay=2.0), MOONS).words


# Real runs


@pytest.fixture(scope="module")
def default() -> Comparison:
    return overfitting.run(Settings())


def test_arms_of_a_pair_start_from_the_same_weights_and_seeds_from_others(default):
    starts = []
    for a, b in zip(default.without.histories, default.with_decay.histories, strict=True):
        for layer in a.layers:
            for name in a.start[layer]:
                assert a.start[layer][name].tobytes() == b.start[layer][name].tobytes()
        assert a.step_losses[0] == b.step_losses[0]  # the same first batch, too
        assert a.params["output"]["weight"].tobytes() != b.params["output"]["weight"].tobytes()
        starts.append(a.start["output"]["weight"].tobytes())
    assert len(set(starts)) == 5


def test_default_memorises_without_decay_and_generalises_with_it(default):
    assert [overfitting.verdict(each, default.split).name for each in default.arms] == ["memorises", "generalises"]
    assert default.without.spread(lambda h: h.score("train")).median == 1
    assert default.cut().low > 0.5


def name_with_decay(**changes: object) -> str:
    found = overfitting.run(replace(Settings(seeds=2), **changes))
    return overfitting.verdict(found.with_decay, found.split).name


@pytest.mark.parametrize("decay", [20.0, 30.0])
def test_large_decay_learns_nothing(decay):
    assert name_with_decay(decay=decay) == "learns nothing"


@pytest.mark.parametrize(("rate", "decay"), [(0.03, 100.0), (0.05, 50.0)])
def test_learning_rate_times_decay_above_two_diverges(rate, decay):
    assert rate * decay > 2
    assert name_with_decay(learning_rate=rate, decay=decay) == "diverged"


def test_learning_rate_times_decay_of_exactly_two_does_not_diverge():
    assert name_with_decay(learning_rate=0.02, decay=100.0) == "learns nothing"


def test_one_class_alone_is_no_error():
    chosen = Settings(n_train=4, flip=0.5, seeds=2)
    chosen = replace(chosen, seed=next(s for s in range(99) if datasets.split_for(chosen, s).one_class))
    found = overfitting.run(chosen)
    assert overfitting.label_entropy(found.split) == 0
    assert [overfitting.verdict(each, found.split).name for each in found.arms] == ["learns nothing"] * 2


def test_separable_classes_without_any_loss_are_no_error():
    found = overfitting.run(Settings(dataset="gaussians", noise=0.0, flip=0.0, learning_rate=0.3, seeds=2))
    assert found.without.histories[0].loss("test") == 0
    assert found.cut().median == -math.inf


def test_each_data_set_has_suggestions():
    assert set(SUGGESTED) == set(DATASETS)


@pytest.mark.parametrize("name", DATASETS)
def test_suggested_settings_show_what_decay_does(name):
    chosen = Settings(dataset=name, **SUGGESTED[name], seeds=3)
    assert chosen.n_train <= datasets.max_train(name)
    assert chosen.decay > 0

    found = overfitting.run(chosen)

    assert not any(each.diverged for each in found.arms)
    assert "learns nothing" not in [overfitting.verdict(each, found.split).name for each in found.arms]
    before, after = (each.spread(lambda h: h.loss("test")).median for each in found.arms)
    assert after < before
    assert found.cut().median > 0.1


def test_the_page_and_the_library_call_see_the_same_numbers(default):
    with runs.FairPool(2) as pool:
        sweep = Sweep(planned(Settings()), runs.one_by_one(pool), Cache())
        page = overfitting.compare(Settings(), dict(sweep.finished()))
    assert page is not None
    assert page.cut() == default.cut()
