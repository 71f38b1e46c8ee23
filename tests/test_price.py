"""The price of choosing, on planted losses: what was chosen, what nobody can know, and which repetitions count."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.test_experiments import made
from tests.test_tuning import DECAYS_OF_FEW, FEW, planted
from wdviz.experiments import price, tuning
from wdviz.experiments.price import Price
from wdviz.results import History
from wdviz.runs import Run
from wdviz.settings import Settings

CHOSEN = Settings(seed=7, seeds=2)
COUNT = len(DECAYS_OF_FEW)


def priced(tests: list[list[float]], choose: tuple[int, ...] = (2, 2), settings: Settings = CHOSEN) -> Price | None:
    """With these test losses (repetition, decay), and held-out losses that are lowest at `choose`."""
    results: dict[Run, History] = planted(settings, FEW, lambda i, fold, d: 1.0 + abs(DECAYS_OF_FEW.index(d) - choose[i]) + fold / 100)
    for i, row in enumerate(tests):
        for run, loss in zip(price.groups(settings, FEW)[i], row, strict=True):
            results[run] = made(test=loss, scores=(1.0, 1 / loss))
    tuned = tuning.summarise(settings, FEW, results)
    assert tuned is not None
    return price.summarise(tuned, results)


def test_each_way_to_choose_and_its_price_repetition_by_repetition():
    found = priced([[5, 4, 2, 1, 3], [9, 8, 2.5, 2, 7]])
    assert found is not None
    assert {way: picks.tolist() for way, picks in found.picks.items()} == {
        "oracle": [3, 3],
        "best": [2, 2],
        "simplest": [2, 2],
        "most_accurate": [4, 4],  # all held-out accuracies are alike
        "none": [0, 0],
    }
    assert found.loss("best").tolist() == [2, 2.5]
    assert found.score("best").tolist() == [1 / 2, 1 / 2.5]
    assert found.score("none").tolist() == [1 / 5, 1 / 9]
    assert [found.price("best").median, found.price("best").low, found.price("best").high] == [0.75, 0.5, 1]
    assert found.price("oracle").high == 0
    assert found.price("none").median == (4 + 7) / 2
    assert found.found == pytest.approx(np.median([3 / 4, 6.5 / 7]))


def test_a_price_is_never_negative():
    rng = np.random.default_rng(0)
    found = priced(rng.uniform(0.1, 3, (2, COUNT)).tolist(), choose=(1, 4))
    assert found is not None
    assert all(found.price(way).low >= 0 for way in found.picks)


def test_the_test_set_is_not_read_before_its_runs_are_there():
    assert priced([]) is None
    assert {run.fold for group in price.groups(CHOSEN, FEW) for run in group} == {None}
    assert not {run for group in tuning.groups(CHOSEN, FEW) for run in group} & {
        run for group in price.groups(CHOSEN, FEW) for run in group
    }


def test_repetitions_count_as_they_are_finished():
    found = priced([[5, 4, 2, 1, 3]])
    assert found is not None
    assert found.losses.shape == (1, COUNT)


def test_a_repetition_counts_when_its_cross_validation_is_whole():
    results: dict[Run, History] = {run: made() for group in (*tuning.groups(CHOSEN, FEW), *price.groups(CHOSEN, FEW)) for run in group}
    for run in tuning.groups(CHOSEN, FEW)[2]:  # the last fold of the first
        del results[run]
    tuned = tuning.summarise(CHOSEN, FEW, results)
    assert tuned is not None
    assert len(tuned.curves) == 2
    found = price.summarise(tuned, results)
    assert found is not None
    assert found.losses.shape == (1, COUNT)


def test_diverged_candidates_are_no_oracle_and_a_repetition_without_any_result_is_left_out():
    nan = math.nan
    found = priced([[nan, nan, 2, 3, nan], [nan] * COUNT])
    assert found is not None
    assert found.losses.shape == (1, COUNT)
    assert found.picks["oracle"].tolist() == [2]
    assert math.isnan(found.price("none").median)
    assert priced([[nan] * COUNT] * 2) is None


def test_of_values_there_is_no_choice_by_accuracy():
    found = priced([[5, 4, 2, 1, 3]] * 2, settings=Settings(dataset="sine", seeds=2))
    assert found is not None
    assert set(found.picks) == {"oracle", "best", "simplest", "none"}


def test_groups_train_each_candidate_on_all_points_of_each_repetition():
    groups = price.groups(Settings(seed=7, seeds=2), FEW)
    assert [[run.seed for run in group] for group in groups] == [[7] * COUNT, [8] * COUNT]
    assert [run.settings.decay for run in groups[0]] == list(DECAYS_OF_FEW)


def test_the_price_of_real_runs_is_small_beside_what_decay_saves():
    found = price.run(Settings(seeds=2, steps=300), FEW)
    assert found is not None
    assert found.price("best").median < 0.5 * found.price("none").median


def test_labels_that_are_wrong_at_random_lead_cross_validation_to_too_much_decay():
    found = price.run(Settings(seeds=2))
    assert found is not None
    assert (found.picks["oracle"] < found.picks["best"]).all()
    assert found.found > 0.8  # and yet it finds most of what decay can save
