"""Sentences say what the numbers say, in each branch, and never show a number that is none."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.test_experiments import comparison, made
from wdviz.experiments.learning_rate import Trend
from wdviz.experiments.price import Price
from wdviz.experiments.widths import Range, Widths
from wdviz.factorial import Estimate
from wdviz.results import History, Spread
from wdviz.runs import Run
from wdviz.settings import SPECS, Settings, shrink_per_step
from wdviz.specs import Number
from wdviz.ui import words
from wdviz.ui.scenes import combined, learning_rate, searching, tuning
from wdviz.ui.scenes import overfitting as scenes

RAW = re.compile(r"\b(nan|inf|infinity|none)\b|-0(\.0+)?(?![\d.])", re.IGNORECASE)
ANY = st.floats(width=32) | st.sampled_from([0.0, -0.0, math.nan, math.inf, -math.inf])


def plain(text: str) -> str:
    """The text, after a look that there is no raw number in it."""
    assert not RAW.search(text), text
    assert "  " not in text
    return text


# Numbers


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.00"),
        (-0.001, "0.00"),
        (0.456, "0.46"),
        (-1.5, "-1.50"),
        (12.34, "12.3"),
        (123.4, "123"),
        (12345.0, "12,345"),
        (2.5e9, "2.5e+09"),
        (math.nan, "diverged"),
        (math.inf, "diverged"),
        (-math.inf, "diverged"),
    ],
)
def test_number(value, text):
    assert words.number(value) == text


@given(ANY)
def test_numbers_are_short_and_close(value):
    text = plain(words.number(value))
    assert len(text) <= 9
    if math.isfinite(value):
        assert float(text.replace(",", "")) == pytest.approx(value, rel=0.06, abs=0.005000001)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0 %"),
        (1.0, "100 %"),
        (0.876, "88 %"),
        (-0.25, "-25 %"),
        (-0.001, "0 %"),
        (math.nan, "diverged"),
        (math.inf, "diverged"),
    ],
)
def test_percent(value, text):
    assert words.percent(value) == text


def test_between():
    assert words.between(Spread(1.3, 1.1, 1.523, 5)) == "1.10 to 1.52"
    assert words.between(Spread(0.5, 0.25, 0.75, 2), words.percent) == "25 to 75 %"
    assert words.between(Spread(1.0, 0.999, 1.0, 5), words.percent) == "in every seed"
    assert words.between(Spread(1.3, 1.3, 1.3, 1)) == ""
    assert words.between(Spread(math.nan, math.nan, math.nan, 5)) == ""
    assert words.between(Spread(1.3, 1.1, math.inf, 5)) == ""


def test_ranges_and_medians_stand_where_there_are_several_seeds():
    assert words.ranged(Spread(0.5, 0.25, 0.75, 2), words.percent) == " (25 to 75 %)"
    assert [words.ranged(Spread(1.0, 1.0, 1.0, n)) for n in (1, 5)] == ["", ""]
    assert [words.medians(n) for n in (1, 5)] == ["", " (medians of 5 seeds)"]


def test_seeds():
    assert [words.seeds(n) for n in (1, 2, 20)] == ["1 seed", "2 seeds", "20 seeds"]


# The answer


def answer(without: list[float], with_decay: list[float], **changes: Any) -> str:
    """The answer for these test losses; training losses are 0.1."""
    chosen = replace(Settings(decay=3.0), **changes)
    return plain(words.answer(comparison([made(0.1, t) for t in without], [made(0.1, t) for t in with_decay], chosen)))


def test_answer_with_one_seed():
    assert answer([1.0], [0.4]) == (
        "A decay of **3** cuts the loss on new data by **60 %** (1 seed), and takes the gap to the training loss from **0.90** to **0.30**."
    )


def test_answer_where_all_seeds_agree():
    text = answer([1.0, 1.0, 2.0], [0.4, 0.5, 0.6])
    assert "cuts the loss on new data by **60 %** (50 to 70 over 3 seeds)" in text
    assert "from **0.90** to **0.40** (medians)." in text


def test_answer_where_decay_harms():
    assert "raises the loss on new data by **50 %** (20 to 80 over 3 seeds)" in answer([1.0, 1.0, 1.0], [1.5, 1.2, 1.8])


def test_answer_where_seeds_disagree():
    assert "cuts the loss on new data by **10 %** (from 20 % more to 30 % less over 3 seeds)" in answer([1.0] * 3, [0.9, 1.2, 0.7])
    assert "raises the loss on new data by **10 %** (from 20 % more to 30 % less over 3 seeds)" in answer([1.0] * 3, [1.1, 1.2, 0.7])


def test_answer_where_there_was_next_to_no_loss():
    for least in (0.0, 1e-9):
        text = answer([least, least], [0.35, 0.35])
        assert "A decay of **3** takes the loss on new data from **0.00** to **0.35**, and takes the gap" in text
    assert "%" not in answer([0.0, 1.0, 1.0], [0.3, 0.3, 0.3])  # one seed's share has no bound


def test_answer_without_decay():
    assert "With decay at **0** both networks are the same" in answer([1.0], [1.0], decay=0.0)


def test_answer_where_decay_makes_it_diverge():
    text = answer([1.0, 1.0], [0.5, math.nan], decay=50.0, learning_rate=0.05)
    assert text.startswith("With a decay of **50** and a learning rate of 0.05 the training **diverges**")
    assert "learning rate x decay is 2.5, and above 2" in text


def test_answer_where_only_some_seeds_diverge():
    assert "the training **diverges** in 1 of 3 seeds: " in answer([1.0] * 3, [0.5, math.nan, 0.4])


def test_a_lower_loss_of_a_network_that_learns_nothing_is_no_gain():
    without = [made(0.0, 2.0, scores=(1.0, 0.8))] * 2
    nothing = [made(0.69, 0.7, scores=(0.5, 0.5))] * 2
    text = plain(words.answer(comparison(without, nothing, Settings(decay=30.0))))
    assert text == (
        "With a decay of **30** the network **learns nothing**: test accuracy **50 %**, without decay 80 % (medians of 2 seeds). "
        "That its loss on new data is 65 % lower is only because it is sure of nothing any more."
    )
    assert "lower" not in plain(words.answer(comparison([made(0.4, 0.5)], nothing[:1], Settings(decay=30.0))))
    assert "**30**, as without, the network **learns nothing**" in words.answer(comparison(nothing, nothing, Settings(decay=30.0)))
    sine = Settings(dataset="sine", decay=30.0)
    text = plain(words.answer(comparison([made(0.1, 0.2, scores=(0.9, 0.6))], [made(0.3, 0.3, scores=(0.0, -0.01))], sine)))
    assert text == "With a decay of **30** the network **learns nothing**: test R2 **-0.01**, without decay 0.60 (1 seed)."


def test_a_change_of_nothing_is_no_cut():
    assert "hardly changes the loss on new data (from 20 % more to 20 % less over 3 seeds)" in answer([1.0] * 3, [0.999, 1.2, 0.8])


def test_answer_does_not_blame_decay_below_the_limit():
    text = answer([1.0], [math.inf], decay=1.0, learning_rate=1.0)
    assert "the steps are too large; lower the learning rate or the decay" in text
    text = answer([1.0], [math.inf], decay=50.0, learning_rate=0.05, decay_kind="coupled")  # Adam rescales it
    assert "the steps are too large" in text


def test_answer_where_it_diverges_without_decay():
    text = answer([math.nan], [0.5], learning_rate=5.0)
    assert text == "Without decay the training **diverges**, with decay it does not: to compare both, try a learning rate below 5."
    assert "**diverges** in 1 of 2 seeds, with decay it does not" in answer([math.nan, 1.0], [0.5, 0.5])


@given(
    st.lists(st.tuples(ANY, ANY, ANY, ANY), min_size=1, max_size=4),
    st.sampled_from([0.0, 1e-4, 2.0, 100.0]),
    st.sampled_from([1e-4, 0.03, 10.0]),
)
@example([(0.0, 1e-20, 0.0, 5.0)], 2.0, 0.03)
@example([(0.0, 0.01, 0.0, 1e38)], 2.0, 0.03)
def test_no_answer_shows_a_raw_number(losses, decay, rate):
    histories: tuple[list[History], list[History]] = ([], [])
    for a, b, c, d in losses:  # losses are never negative
        histories[0].append(made(abs(a), abs(b)))
        histories[1].append(made(abs(c), abs(d)))
    text = plain(words.answer(comparison(*histories, Settings(decay=decay, learning_rate=rate))))
    assert text.endswith(".")
    assert len(text) < 300


# What decay does to a weight


def shrink(**changes: Any) -> str:
    """What decay does to a weight, and under which convention, as one text."""
    said, kind = words.shrink(replace(Settings(), **changes))
    return plain(f"{plain(said)}; {plain(kind)}")


@pytest.mark.parametrize(
    ("rate", "decay", "share", "half"),
    [
        (0.03, 1.0, "3 %", f"{math.log(2) / -math.log(0.97):,.0f} steps"),
        (0.01, 0.1, "0.1 %", f"{math.log(2) / -math.log(0.999):,.0f} steps"),
        (0.1, 5.0, "50 %", "1.0 steps"),
        (0.03, 30.0, "90 %", f"{math.log(2) / -math.log(0.1):.1f} steps"),
    ],
)
def test_share_and_half_life_are_those_of_the_closed_form(rate, decay, share, half):
    text = shrink(learning_rate=rate, decay=decay)
    assert f"**{share}**" in text
    assert f"half-life **{half}**" in text
    assert f"peak learning rate {rate:g}" in text


def test_half_life_of_three_percent():
    assert "half-life **23 steps**" in shrink(learning_rate=0.03, decay=1.0)


@pytest.mark.parametrize(
    ("kind", "optimiser", "named"),
    [
        ("decoupled", "adam", "decoupled (AdamW)"),
        ("decoupled", "momentum", "decoupled (SGDW)"),
        ("decoupled", "sgd", "decoupled (SGDW)"),
        ("coupled", "sgd", "coupled (L2)"),
        ("coupled", "momentum", "momentum included"),
        ("coupled", "adam", "coupled (Adam with L2)"),
        ("independent", "adam", "independent of the learning rate (AdamW, as in the paper)"),
        ("independent", "momentum", "independent of the learning rate (SGDW, as in the paper)"),
        ("independent", "sgd", "independent of the learning rate (SGDW, as in the paper)"),
    ],
)
@pytest.mark.parametrize("decay", [0.0, 0.1, 2.0])
def test_the_kind_of_decay_is_named(kind, optimiser, named, decay):
    text = shrink(decay_kind=kind, optimiser=optimiser, decay=decay)
    assert named in text
    assert ("no shrinking" in text) == (decay == 0)


def test_coupled_adam_has_no_fixed_share():
    text = shrink(decay_kind="coupled", optimiser="adam", decay=2.0)
    assert "no fixed share" in text
    assert "%" not in text


def test_decay_independent_of_the_learning_rate_is_its_own_share():
    assert "**5 %** per step" in shrink(decay_kind="independent", decay=0.05, learning_rate=0.001)
    said = shrink(decay_kind="independent", decay=3.0, learning_rate=0.001)
    assert "makes weights **grow** while the learning rate is high: at its peak, decay is 3, more than 2" in said


def test_momentum_adds_up_what_coupled_decay_takes():
    text = shrink(decay_kind="coupled", optimiser="momentum", momentum=0.9, learning_rate=0.01, decay=0.01)
    assert "**0.1 %**" in text  # 0.01 x 0.01 / (1 - 0.9)


def left(s: Settings, steps: int = 400) -> float:
    """Size of a weight of 1 under decay alone, at the peak learning rate, after so many steps."""
    weight, velocity = 1.0, 0.0
    for _ in range(steps):
        if s.decay_kind == "coupled" and s.optimiser == "momentum":
            velocity = s.momentum * velocity + s.decay * weight
            weight -= s.learning_rate * velocity
        else:
            weight -= s.learning_rate * s.decay * weight
    return abs(weight)


@pytest.mark.parametrize("rate", [0.0005, 0.002, 0.0026, 0.01, 0.5, 0.9])
@pytest.mark.parametrize("momentum", [0.5, 0.9])
def test_the_share_of_coupled_momentum_is_that_of_a_simulation(rate, momentum):
    s = Settings(decay_kind="coupled", optimiser="momentum", momentum=momentum, decay=rate / 0.01, learning_rate=0.01)
    share = shrink_per_step(s)
    assert share is not None
    # Over many steps, since a swinging weight passes through zero on its way: the envelope, to within its phase.
    assert math.log(max(left(s, 400 + k) for k in range(40))) / 400 == pytest.approx(math.log1p(-share), rel=0.05, abs=0.01)


@pytest.mark.parametrize(
    ("kind", "optimiser"), [("decoupled", "adam"), ("coupled", "sgd"), ("coupled", "momentum"), ("decoupled", "momentum")]
)
@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("decay", [1.0, 5.0, 9.0, 10.0, 19.0, 20.0, 21.0, 29.0, 31.0, 37.0, 39.0])
def test_it_is_said_to_diverge_exactly_where_decay_alone_does(kind, optimiser, momentum, decay):
    s = Settings(decay_kind=kind, optimiser=optimiser, momentum=momentum, decay=decay, learning_rate=0.1, schedule="constant")
    assert ("**diverges**" in plain(words.shrink(s)[0])) == (left(s) > 1.5)
    # With a schedule only at its peak: the steps after it may shrink what grew, so that nothing diverges at last.
    falling = plain(words.shrink(replace(s, schedule="cosine"))[0])
    assert ("makes weights **grow** while the learning rate is high: at its peak, " in falling) == (left(s) > 1.5)
    assert "diverges" not in falling


def test_beyond_one_a_weight_is_taken_past_zero():
    said = "to zero or past it at each step at the peak learning rate: learning rate x decay is 1.5"
    assert said in shrink(learning_rate=0.05, decay=30.0)
    assert said.replace(" at the peak learning rate", "") in shrink(learning_rate=0.05, decay=30.0, schedule="constant")
    swinging = {"learning_rate": 0.1, "decay": 20.0, "momentum": 0.0, "decay_kind": "coupled", "optimiser": "momentum"}
    assert "from one side of zero to the other for ever: " in shrink(**swinging, schedule="constant")
    assert "from one side of zero to the other at the peak learning rate: " in shrink(**swinging)
    assert "diverges" not in shrink(learning_rate=0.02, decay=100.0)  # exactly 2: from one side to the other for ever
    assert "learning rate x decay is 2.5, more than 2" in shrink(learning_rate=0.05, decay=50.0)


AMOUNTS = {name: SPECS[name] for name in ("decay", "learning_rate", "momentum")}


def value_of(spec: Any) -> st.SearchStrategy[float]:
    assert isinstance(spec, Number)
    return st.sampled_from(spec.grid) if spec.grid else st.sampled_from(np.arange(spec.low, spec.high + 1e-9, spec.step).round(6).tolist())


@given(
    st.fixed_dictionaries({name: value_of(spec) for name, spec in AMOUNTS.items()}),
    st.sampled_from(["coupled", "decoupled"]),
    st.sampled_from(["adam", "momentum", "sgd"]),
)
def test_no_readout_shows_a_raw_number(amounts, kind, optimiser):
    text = shrink(**amounts, decay_kind=kind, optimiser=optimiser)
    share = re.search(r"\*\*([\d.e+-]+) %\*\*", text)
    assert not share or 0 < float(share[1]) <= 100


def test_a_decay_is_spoken_with_the_closed_form_of_what_it_does():
    assert words.spoken_decay(Settings(decay=0.01, learning_rate=0.02)) == "decay 0.01, shrinks weights by 0.02 % per step"
    assert words.spoken_decay(Settings(decay=0.0)) == "decay 0, no shrinking"
    assert (
        words.spoken_decay(Settings(decay=100.0, learning_rate=0.03))
        == "decay 100, makes weights grow while the learning rate is high: at its peak, learning rate x decay is 3, more than 2"
    )


@given(value_of(SPECS["decay"]), value_of(SPECS["learning_rate"]))
def test_the_spoken_share_is_learning_rate_times_decay(decay, rate):
    text = plain(words.spoken_decay(Settings(decay=decay, learning_rate=rate)))
    assert text.startswith(f"decay {decay:g}, ")
    assert "*" not in text
    share = re.search(r"shrinks weights by (\S+) % per step$", text)
    assert bool(share) == (0 < rate * decay < 1)
    assert not share or float(share[1]) == pytest.approx(100 * rate * decay, rel=0.05)


# A switch of decay


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "2"),
        ({"switch_at": 300}, "2, then 0 from step 300"),
        ({"decay": 0.0, "switch_at": 10, "decay_after": 0.5}, "0, then 0.5 from step 10"),
        ({"switch_at": 300, "decay_after": 2.0}, "2"),  # the same decay
        ({"switch_at": 600}, "2"),  # training is over by then
        ({"switch_at": 300, "steps": 300}, "2"),
        ({"switch_at": 290, "steps": 300}, "2, then 0 from step 290"),
    ],
)
def test_a_switch_is_named_exactly_where_it_changes_the_training(changes, text):
    chosen = Settings(**changes)
    assert words.decays(chosen) == text
    assert words.switches(chosen) == (Run.of(chosen, 0).settings.switch_at > 0) == ("then" in text)


def test_answer_with_a_switch():
    text = answer([1.0], [0.4], switch_at=300)
    assert text.startswith("A decay of **3, then 0 from step 300** cuts the loss on new data by **60 %** (1 seed)")
    assert "both networks are the same" not in answer([1.0], [0.4], decay=0.0, switch_at=300, decay_after=1.0)
    assert "both networks are the same" in answer([1.0], [1.0], decay=0.0, switch_at=300)


# Sentences of single scenes


def test_a_network_that_diverged_has_no_accuracy():
    lost = made(math.nan, math.nan, scores=(0.5, 0.5))
    scene = scenes.scene(comparison([made(), made()], [lost, made()]))
    panels = {panel.name: panel for panel in scene.panels}
    assert [stat.value for stat in panels["with"].stats[:2]] == ["diverged", "diverged"]
    assert panels["curves"].views[1].say() == (
        "Accuracy: without decay 100 % on training and 90 % on test data; with decay diverged and diverged (medians of 2 seeds)."
    )


@pytest.mark.parametrize(("seeds", "said"), [(1, "One seed."), (5, "One seed so far.")])
def test_more_seeds_are_announced_only_where_they_come(seeds: int, said: str):
    scene = scenes.scene(comparison([made()], [made()], Settings(seeds=seeds)))
    assert scene.panels[0].views[0].say().endswith(said)


def test_each_choice_has_its_range_where_seeds_differ():
    varied, same = Spread(7.0, 7.0, 50.0, 5), Spread(2.0, 2.0, 2.0, 5)
    assert tuning._ranges(varied, same) == " (over the seeds: rule 7 to 50, accuracy 2)"
    assert tuning._ranges(varied, None) == " (over the seeds: rule 7 to 50)"
    assert tuning._ranges(same, same) == ""


@pytest.mark.parametrize(
    ("best", "said"),
    [(2, "finds 100 % of what decay can save (medians of 2 seeds)."), (1, "costs more on the test set than no decay does.")],
)
def test_a_choice_that_does_harm_is_not_said_to_find_a_share(best: int, said: str):
    losses = np.array([[0.3, 0.5, 0.2]] * 2)
    picks = {way: np.array([at, at]) for way, at in {"oracle": 2, "best": best, "simplest": best, "none": 0}.items()}
    assert plain(tuning._say_price(Price((0.0, 1.0, 2.0), losses, losses, picks))).endswith(said)


def test_a_range_that_leaves_the_grid_says_at_which_end():
    ranges = Range(0.05, 0.43, True, False, 0.1), Range(9.6, 50.0, False, True, 50.0)
    said = searching._say_widths(Widths("n_train", (20.0, 40.0), ranges, (0.05, 50.0), 3), "data size")
    assert said.endswith("by data size: 20: at most 0.05 to 0.43; 40: 9.6 to 50 or more.")


@pytest.mark.parametrize(("power", "near"), [(-1.0, True), (-0.8, True), (-0.62, False), (-1.6, False), (1.0, False)])
def test_a_product_is_said_to_stay_only_where_it_does(power: float, near: bool):
    rates = (0.001, 0.01, 0.1)
    assert ("product stays near" in learning_rate._trend(Trend(rates, tuple(rate**power for rate in rates), power))) == near


@pytest.mark.parametrize(
    ("judge", "others", "change", "said"),
    [
        ("loss", "averaged", 0.05, "Averaged over the others, decay raises the test loss by **0.05**."),
        ("loss", "averaged", 0.0001, "Averaged over the others, decay raises the test loss by **0.00**, which may be chance."),
        ("accuracy", "averaged", -0.05, "Averaged over the others, decay lowers the test accuracy by **5.0 points**."),
        ("loss", "off", -0.05, "Decay alone takes the test loss from **1.00** to **0.95**."),
        ("loss", "off", -0.0001, "Decay alone takes the test loss from **1.00** to **1.00**, which may be chance."),
    ],
)
def test_what_decay_does_is_told_from_chance(judge: str, others: str, change: float, said: str):
    effect = Estimate.of(change + np.array([-0.001, 0.0, 0.001]))
    found: Any = SimpleNamespace(
        effects={judge: {way: {"decay": effect} for way in ("average", "alone")}},
        pairs={judge: [SimpleNamespace(means=(1.0, 1.0 + change, 1.0, 1.0))]},
        plan=SimpleNamespace(others=others),
        regression=False,
    )
    assert combined._start(found, judge, "decay", f"test {judge}") == said
