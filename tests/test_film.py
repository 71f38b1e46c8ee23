"""A film ends with the pictures that the page shows, and is small."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from tests.test_figures import KINDS, trace
from tests.test_runs import same
from wdviz import datasets
from wdviz.experiments import overfitting
from wdviz.experiments.overfitting import Comparison
from wdviz.figures import decision, palette, weights
from wdviz.figures.film import Film, film
from wdviz.results import Arm, History
from wdviz.settings import Settings

CHOSEN = {
    name: replace(KINDS[name], seeds=1) for name in ("default", "early stopping", "linear", "curve", "values on a plane", "ten classes")
}


def arms_of(settings: Settings) -> tuple[Arm, Arm]:
    without, with_decay = (run.execute() for run in overfitting.film_pair(settings))
    return Arm("without", 0.0, (without,)), Arm("with", settings.decay, (with_decay,))


@pytest.fixture(scope="module")
def films() -> dict[str, tuple[tuple[Arm, Arm], Film, Comparison]]:
    """For each kind the arms that were filmed, their film, and the page's own comparison of the same settings."""
    arms = {kind: arms_of(chosen) for kind, chosen in CHOSEN.items()}
    return {kind: (arms[kind], film(arms[kind], datasets.split_for(s, s.seed)), overfitting.run(s)) for kind, s in CHOSEN.items()}


@pytest.mark.parametrize("kind", CHOSEN)
def test_a_filmed_run_is_the_plain_one(films, kind):
    filmed, _, c = films[kind]
    for one, other in zip(filmed, c.arms, strict=True):
        for f in fields(History):
            if not f.name.startswith("film"):
                assert same(getattr(one.histories[0], f.name), getattr(other.histories[0], f.name)), f.name


@pytest.mark.parametrize("kind", CHOSEN)
def test_there_is_a_frame_at_each_checkpoint(films, kind):
    _, made, c = films[kind]
    assert list(made.bars) == list(c.without.histories[0].layers)
    for arm in c.arms:
        frames, history = len(made.steps[arm.name]), arm.histories[0]
        np.testing.assert_array_equal(made.steps[arm.name], history.steps)
        assert made.steps[arm.name].dtype == np.int32
        assert made.answers[arm.name].shape == (frames, datasets.grid_points(c.split.inputs))
        assert made.answers[arm.name].dtype == (np.float32 if kind == "curve" else np.uint8)
        for layer, bars in made.bars.items():
            assert bars[arm.name].dtype == np.uint16
            assert bars[arm.name].shape == (frames, weights.BINS)
            np.testing.assert_array_equal(bars[arm.name].sum(1), history.params[layer]["weight"].size)


@pytest.mark.parametrize("kind", CHOSEN)
def test_the_frame_that_is_kept_is_the_picture_on_the_page(films, kind):
    _, made, c = films[kind]
    for arm in c.arms:
        history = arm.histories[0]
        answer = made.answers[arm.name][history.kept]
        if kind == "curve":
            np.testing.assert_array_equal(answer, history.grid[:, 0])
        else:
            np.testing.assert_array_equal(answer.reshape(80, 80), decision.encode_map(history.grid, 80))
        for layer, bars in made.bars.items():
            shown = trace(weights.histogram(c.arms, layer), palette.ARM_NAMES[arm.name])
            np.testing.assert_array_equal(bars[arm.name][history.kept], shown.y)


def test_both_arms_start_from_the_ghost_of_the_histogram(films):
    _, made, c = films["default"]
    for layer, bars in made.bars.items():
        ghost = np.nan_to_num(trace(weights.histogram(c.arms, layer), "at the start").y)
        for frames in bars.values():
            np.testing.assert_array_equal(frames[0], ghost)


def test_the_default_film_is_small():
    made = film(arms_of(Settings()), datasets.split_for(Settings(), 0))
    bars = [frames for each in made.bars.values() for frames in each.values()]
    assert sum(a.nbytes for a in (*made.steps.values(), *made.answers.values(), *bars)) < 1e6


def test_a_run_that_diverges_has_a_film_in_which_its_weights_count_nowhere():
    chosen = replace(CHOSEN["default"], learning_rate=10.0, decay=100.0)
    arms = arms_of(chosen)
    assert arms[1].diverged
    made = film(arms, datasets.split_for(chosen, chosen.seed))
    for layer, bars in made.bars.items():
        params = arms[1].histories[0].film_params
        assert params is not None
        finite = np.isfinite(params[layer]["weight"]).sum((1, 2))
        assert finite[-1] == 0
        np.testing.assert_array_equal(bars["with"].sum(1), finite)


def test_an_arm_without_a_film_is_named(films):
    (filmed, _), _, c = films["default"]
    with pytest.raises(ValueError, match="the arm 'with' carries no film; its first run must be made with film=True"):
        film((filmed, c.with_decay), c.split)
