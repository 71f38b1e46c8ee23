"""Four families over the decays: E7's claims over five seeds, what chooses the best decay, what chance alone gives, and single parts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.helpers import count_compilations
from tests.test_experiments import made
from wdviz import networks, runs
from wdviz.experiments import architectures, matching, parts
from wdviz.experiments.architectures import LADDERS, Ladder, compare
from wdviz.plans import FAMILIES, Families
from wdviz.runs import Run
from wdviz.settings import DECAYS, PARTS, Settings
from wdviz.ui.live import Following
from wdviz.ui.scenes import architectures as scenes

SMALL = Settings(dataset="digits", n_train=30, steps=30, learning_rate=0.01, seeds=1, noise=0.0)
PLAN = Families()


def ladder(validation: Any, test: Any, family: str = "recurrent") -> Ladder:
    decays = (0.0, 1.0, 2.0)
    losses = {"validation": np.array(validation, float), "test": np.array(test, float), "train": np.array(test, float)}
    return Ladder(family, 1000, decays, losses, {name: 1 - table / 10 for name, table in losses.items()})


# --- E7 ---------------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def digits() -> architectures.Architectures:
    """The page's default but for some of the decays: five seeds, four families."""
    chosen, plan = Settings(decay=0.0), Families()
    patch = pytest.MonkeyPatch()
    patch.setitem(LADDERS, "decoupled", (0.0, 0.5, 1.0, 2.0, 5.0))
    architectures.rungs.cache_clear()
    found = architectures.run(chosen, plan)
    patch.undo()
    architectures.rungs.cache_clear()
    architectures._groups.cache_clear()
    return found


def test_every_family_gains_in_every_seed(digits):
    assert [found.family for found in digits.ladders] == list(FAMILIES)
    assert {found.gain.seeds for found in digits.ladders} == {5}
    assert all(found.gain.low > 0 for found in digits.ladders)
    assert all(found.gain_in_score.median > 0 for found in digits.ladders)


def test_the_best_decay_differs_beyond_the_spread_or_the_page_says_that_it_cannot_tell(digits):
    said = scenes.answer(digits)
    assert digits.verdict is not None
    assert ("**No**" in said, "**Cannot tell**" in said) == (digits.verdict.differs, not digits.verdict.differs)
    assert "Every family gains" in said
    best = {found.family: np.mean(np.log([max(found.decays[at or 0], 0.25) for at in found.picks])) for found in digits.ladders}
    assert best["attention"] > best["feedforward"]


def test_the_families_are_of_one_size_and_learn_from_the_same_data(digits):
    counts = [found.parameters for found in digits.ladders]
    assert max(counts) < 1.3 * min(counts)
    jobs = {job for group in architectures.groups(Settings(), Families()) for job in group if isinstance(job, Run)}
    assert len({(run.settings.dataset, run.settings.n_train, run.settings.flip, run.settings.steps) for run in jobs}) == 1
    assert {run.seed for run in jobs} == set(range(5))


# --- choosing ---------------------------------------------------------------------------------------------------------------------


def test_validation_data_choose_and_test_data_only_judge():
    found = ladder([[3, 1, 2], [2, 3, 1], [1, 2, 3]], [[4, 3, 1], [4, 1, 2], [4, 1, 2]])
    assert found.picks == (1, 2, 0)
    assert found.best is not None
    assert (found.best.median, found.best.low, found.best.high) == (1.0, 0.0, 2.0)
    np.testing.assert_array_equal(found.at_best(found.losses), [3, 2, 4])
    assert (found.gain.low, found.gain.median, found.gain.high) == (0.0, 0.25, 0.5)
    assert found.gain_in_score.median == pytest.approx(0.1)


def test_what_diverged_is_not_picked():
    found = ladder([[np.nan, 2, 1], [np.nan] * 3], [[4, 3, 2], [4, 3, 2]])
    assert found.picks == (2, None)
    assert found.best is not None
    assert found.best.seeds == 1
    assert np.isnan(found.at_best(found.losses)[1])
    assert ladder([[np.nan] * 3], [[1, 1, 1]]).best is None


def test_chance_is_small_where_all_seeds_agree_and_large_where_they_do_not():
    apart = compare(["a", "b", "c"], np.array([[0, 0, 1, 0, 0], [2, 1, 2, 2, 2], [4, 4, 5, 4, 3]], float))
    assert (apart.low, apart.high) == ("a", "c")
    assert apart.differs
    assert apart.chance < 0.01
    same = compare(["a", "b"], np.ones((2, 5)))
    assert same.chance == 1
    assert not same.differs
    assert not compare(["a", "b"], np.array([[0.0, 0.0], [3.0, 3.0]])).differs  # two seeds cannot tell


def test_chance_is_that_of_dealing_the_picks_of_each_seed_in_any_order():
    picks = np.array([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]])  # of 8 deals, 2 have as large a difference
    assert compare(["a", "b"], picks).chance == pytest.approx(2 / 8, abs=0.03)


def test_families_alike_are_seldom_said_to_differ():
    rng = np.random.default_rng(0)
    said = [compare(list("abcd"), rng.integers(0, 7, (4, 5)).astype(float)).differs for _ in range(200)]
    assert np.mean(said) < 0.1


def test_a_verdict_is_over_the_seeds_of_all_families_and_needs_two_of_both_that_learn():
    none, some, most, lost = [1, 2, 3], [2, 1, 3], [3, 2, 1], [np.nan] * 3  # validation losses with decay 0, 1 and 2
    look: Any = (None, None)

    def verdict(*tables: Any) -> architectures.Verdict | None:
        ladders = tuple(ladder(table, table, family) for family, table in zip("abc", tables, strict=False))
        return architectures.Architectures(SMALL, PLAN, "a", False, {}, ladders, look, None).verdict

    # No decay counts as half of the smallest.
    expected = compare(["a", "b"], np.log2([[0.5, 2.0], [1.0, 1.0]]))
    assert verdict([none, most], [some, some]) == verdict([none, most, lost], [some, some]) == expected
    for tables in ([], [[none, none]], [[none], [most]], [[none, none], [most, lost]]):
        assert verdict(*tables) is None


# --- what is trained --------------------------------------------------------------------------------------------------------------


def test_points_are_replaced_and_images_are_not():
    assert matching.compared(Settings(), Families()).dataset == "digits"
    assert matching.compared(Settings(dataset="wine"), Families(stand_in="power demand")).dataset == "power demand"
    assert matching.compared(Settings(n_train=33), Families(stand_in="none")).n_train == 33
    own = matching.compared(replace(SMALL, flip=0.07), Families())
    assert (own.dataset, own.n_train, own.flip) == ("digits", 30, 0.07)


def test_a_family_that_cannot_take_the_data_or_has_no_such_part_is_left_out_with_a_reason():
    plane = matching.missing(matching.compared(Settings(), Families(stand_in="none")))
    assert set(plane) == set(FAMILIES) - {"feedforward"}
    assert all("moons is neither" in why for why in plane.values())
    part = matching.missing(matching.compared(SMALL, Families(decaying="recurrent matrix")))
    assert part == {family: "it has no recurrent matrix" for family in FAMILIES if family != "recurrent"}
    assert matching.missing(matching.compared(SMALL, Families())) == {}
    with pytest.raises(ValueError, match="none of the networks has"):
        architectures.groups(Settings(), Families(stand_in="none", decaying="queries and keys"))


def test_the_family_that_is_looked_into_is_that_of_the_plan_or_the_first_that_is_there():
    base = matching.compared(SMALL, PLAN)
    assert {matching.opened(base, replace(PLAN, inside=family)) for family in FAMILIES} == set(FAMILIES)
    plane = matching.compared(Settings(), Families(stand_in="none", inside="recurrent"))
    assert matching.opened(plane, Families(stand_in="none", inside="recurrent")) == "feedforward"


def test_attention_has_no_batch_norm():
    base = replace(SMALL, regularisers=("batch norm", "dropout"))
    assert matching.of_family(base, "attention").regularisers == ("dropout",)
    assert matching.of_family(base, "recurrent").regularisers == ("batch norm", "dropout")


def test_the_ladders_stop_at_steps_of_the_slider():
    assert all(decay in DECAYS for ladder in LADDERS.values() for decay in ladder)
    assert all(ladder[0] == 0 and list(ladder) == sorted(ladder) for ladder in LADDERS.values())


def test_a_run_of_which_the_end_is_wanted_is_looked_at_often_only_where_it_may_stop_early():
    stopping = replace(SMALL, regularisers=("dropout", "early stopping"))
    assert [matching.brief(chosen, 3).checkpoints for chosen in (SMALL, stopping)] == [matching.ENDS, matching.STOPS]
    assert [look.run.checkpoints for look in architectures.looks(SMALL, "recurrent")] == [architectures.FRAMES] * 2
    assert [look.run.checkpoints for look in architectures.looks(stopping, "recurrent")] == [matching.STOPS] * 2


def test_the_first_group_is_small_and_all_of_it_is_paired_by_seed():
    groups = architectures.groups(replace(SMALL, seeds=3), PLAN)
    assert len(groups[0]) == 2 + len(LADDERS["decoupled"])
    repetition = len(FAMILIES) + 1  # each family, and the parts
    assert len(groups) == 1 + 3 * repetition
    assert len({job.seed for job in groups[-1] if isinstance(job, Run)}) == 1
    assert architectures.groups(SMALL, replace(PLAN, moment=5, example=3)) is architectures.groups(SMALL, PLAN)


# --- parts ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_each_part_is_tried_alone_and_spared_and_no_two_are_the_same(family):
    rules = parts.rules(replace(SMALL, budget=2000, depth=1), family)
    assert ("all", "") in rules
    assert rules["none", ""].decay == 0
    names = {part for part, how in rules if how}
    assert names <= set(networks.parts(rules["all", ""])) <= set(PARTS)
    assert {how for _, how in rules} == {"", "only", "spared"}
    assert len({(chosen.decay_on, chosen.spare, chosen.decay) for chosen in rules.values()}) == len(rules)
    assert "embedding and positions" in names or family != "attention"
    assert "first layer" not in names or family != "attention"  # its embedding under another name


def test_each_repetition_of_the_parts_has_a_seed_of_its_own():
    for repetition in range(3):
        tried = parts.part_runs(replace(SMALL, seed=5), "feedforward", repetition)
        assert {run.seed for run in tried} == {5 + repetition}
        assert [run.settings.decay == 0 for run in tried].count(True) == 1


def test_parts_are_compared_with_decay_on_everything_seed_by_seed():
    losses = {("all", ""): np.array([1.0, 2.0]), ("biases", "only"): np.array([1.5, 2.1])}
    scores = {("all", ""): np.array([0.9, 0.8]), ("biases", "only"): np.array([0.7, 0.75])}
    found = parts.Parts(("biases",), losses, scores)
    change, in_score = found.change(("biases", "only")), found.change(("biases", "only"), score=True)
    assert (change.low, change.high) == (pytest.approx(0.1), pytest.approx(0.5))
    assert (in_score.low, in_score.high) == (pytest.approx(-0.2), pytest.approx(-0.05))


def test_a_table_has_no_number_where_a_training_diverged():
    done = [[made(test=0.2), made(test=np.inf)], [made(test=0.4), made(test=0.5)]]
    np.testing.assert_array_equal(parts.table(done, lambda h: h.loss("test")), [[0.2, np.nan], [0.4, 0.5]])


def test_without_decay_there_are_no_parts_to_compare():
    found = architectures.run(replace(SMALL, decay=0.0), PLAN)
    assert found.parts is None
    np.testing.assert_array_equal(found.look[0].radius, found.look[1].radius)


def test_decay_on_one_part_shrinks_that_part_alone():
    found = architectures.run(replace(SMALL, decay=20.0), replace(PLAN, decaying="recurrent matrix"))
    without, with_decay = (look.growth(-1) for look in found.look)
    names = found.look[0].history.layers
    ratios = dict(zip(names, with_decay / without, strict=True))
    assert ratios["layer1 recurrent"] < 0.2
    assert min(ratio for name, ratio in ratios.items() if name != "layer1 recurrent") > 0.5
    assert found.look[1].radius[-1, 0] < 0.5 * found.look[0].radius[-1, 0]


def test_moving_a_number_compiles_nothing():
    architectures.run(SMALL, PLAN)
    with count_compilations() as compiled:
        moved = replace(SMALL, decay=3.0, learning_rate=0.02, n_train=40, flip=0.1, steps=20)
        architectures.run(moved, replace(PLAN, moment=35, example=2))
        architectures.run(SMALL, replace(PLAN, decaying="biases"))
    assert not compiled


def test_the_pieces_come_one_after_the_other_and_the_words_keep_up():
    chosen = replace(SMALL, seeds=2)
    jobs = [job for group in architectures.groups(chosen, PLAN) for job in group]
    results = runs.sweep(jobs).wait_all()
    first = {job: results[job] for job in architectures.groups(chosen, PLAN)[0]}
    for missing in first:
        assert architectures.summarise(chosen, PLAN, {job: found for job, found in first.items() if job != missing}) is None
    begun = architectures.summarise(chosen, PLAN, first)
    assert begun is not None
    assert [found.family for found in begun.ladders] == ["feedforward"]
    assert begun.parts is None
    assert scenes.answer(begun).startswith("The curves fill in")
    whole = architectures.summarise(chosen, PLAN, results)
    assert whole is not None
    assert whole.whole
    names = [
        [panel.name for panel in scenes.scene(chosen, PLAN, Following(known, len(results), None)).panels] for known in (first, results)
    ]
    assert names[0] == names[1]
