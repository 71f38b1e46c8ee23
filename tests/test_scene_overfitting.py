"""The Overfitting page's scene: what it says and offers follows from the comparison, and little of it travels with each change."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.test_experiments import comparison, made
from tests.test_wire import Reader, same
from wdviz import datasets, runs
from wdviz.experiments import overfitting
from wdviz.experiments.overfitting import Comparison, verdict
from wdviz.settings import SPECS, Settings
from wdviz.specs import Number
from wdviz.ui import address, words
from wdviz.ui.scenes import overfitting as overfitting_scene
from wdviz.ui.stage import Panel, Points, Scene, Slider, encode
from wdviz.ui.wire import Wire

MOST_A_CHANGE = 60_000  # bytes, in all paintings of it
MOST_A_FILM = 1_000_000


def compared(settings: Settings, seeds: int | None = None) -> Comparison:
    """The comparison over the first repetitions."""
    wanted = [run for pair in overfitting.pairs(settings)[:seeds] for run in pair]
    found = overfitting.compare(settings, runs.sweep(wanted).wait_all())
    assert found is not None
    assert len(found.without.histories) == (seeds or settings.seeds)
    return found


def filmed(settings: Settings) -> dict:
    return runs.sweep(overfitting.film_pair(settings)).wait_all()


@pytest.fixture(scope="module")
def default() -> Comparison:
    return compared(Settings())


def named(scene: Scene, name: str) -> Panel:
    return next(panel for panel in scene.panels if panel.name == name)


def stats(panel: Panel) -> dict[str, str]:
    return {stat.label: stat.value for stat in panel.stats}


# --- words ------------------------------------------------------------------------------------------------------------------------


def test_each_arm_s_panel_says_its_verdict_with_its_rule(default: Comparison):
    scene = overfitting_scene.scene(default)
    for arm in default.arms:
        panel, said = named(scene, arm.name), verdict(arm, default.split)
        assert panel.tag == said.name
        summary = panel.views[0].say()
        assert summary[1:].startswith(f"{said.words[1:]}, since the {said.rule}. ")
        assert summary[0].isupper()
        assert "median and range of 5 seeds" in summary
    assert (named(scene, "without").title, named(scene, "with").title) == ("Without decay", "With decay 2")


@pytest.mark.parametrize(
    ("losses", "tag"),
    [((0.05, 0.9), "memorises"), ((0.3, 0.35), "generalises"), ((0.69, 0.69), "learns nothing"), ((math.nan, math.nan), "diverged")],
)
def test_the_tag_follows_the_losses(losses: tuple[float, float], tag: str):
    scene = overfitting_scene.scene(comparison([made(0.3, 0.35)], [made(*losses)]))
    assert named(scene, "with").tag == tag


def test_the_numbers_are_medians_and_ranges_over_the_seeds():
    pairs = [made(0.1, t, norm=n) for t, n in ((0.5, 3.0), (0.7, 4.0), (1.2, 9.0))]
    panel = named(overfitting_scene.scene(comparison([made()] * 3, pairs)), "with")
    assert [(stat.label, stat.value, stat.spread) for stat in panel.stats] == [
        ("train accuracy", "100 %", "in every seed"),
        ("test accuracy", "90 %", "in every seed"),
        ("test loss", "0.70", "0.50 to 1.20"),
        ("gap", "0.60", "0.40 to 1.10"),
        ("weight norm", "4.00", "3.00 to 9.00"),
    ]


def test_summaries_say_the_numbers_of_the_ends(default: Comparison):
    curves = {view.label: view.say() for view in named(overfitting_scene.scene(default), "curves").views}
    assert list(curves) == ["loss", "accuracy", "data loss and penalty", "each step"]
    for arm in default.arms:
        for split in ("train", "test"):
            assert words.number(float(np.median([h.losses[split][-1] for h in arm.histories]))) in curves["loss"]
            assert words.percent(float(np.median([h.scores[split][-1] for h in arm.histories]))) in curves["accuracy"]
        assert words.number(float(arm.histories[0].step_losses[-1])) in curves["each step"]
    first = default.with_decay.histories[0]
    squares = sum(float(np.sum(layer["weight"].astype(np.float64) ** 2)) for layer in first.params.values())
    assert f"penalty {words.number(Settings().decay / 2 * squares)} at the end" in curves["data loss and penalty"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "With decoupled decay the penalty is not part of the loss"),
        ({"optimiser": "sgd"}, "The sum is what is minimised."),
        ({"decay_kind": "coupled"}, "The sum is what is minimised."),
        ({"decay_kind": "coupled", "regularisers": ("batch norm", "dropout")}, "but for what dropout adds."),
    ],
)
def test_what_is_minimised_is_said_truly(changes: dict[str, Any], said: str):
    scene = overfitting_scene.scene(comparison([made()], [made()], Settings(**changes)))
    assert said in named(scene, "curves").views[2].say()


def test_weights_and_norms_have_a_view_for_each_layer(default: Comparison):
    scene = overfitting_scene.scene(default)
    labels = [layer.replace("layer", "layer ") for layer in default.without.histories[0].layers]
    assert [view.label for view in named(scene, "weights").views] == [view.label for view in named(scene, "norms").views] == labels
    sizes = [words.number(float(np.abs(arm.histories[0].params["layer1"]["weight"]).mean())) for arm in default.arms]
    assert f"{sizes[0]} without, {sizes[1]} with decay" in named(scene, "weights").views[0].say()


def test_regression_speaks_of_r2():
    chosen = Settings(dataset="sine")
    scene = overfitting_scene.scene(comparison([made(scores=(0.9, 0.3))], [made(scores=(0.8, 0.7))], chosen))
    assert stats(named(scene, "without"))["train R2"] == "0.90"
    assert named(scene, "curves").views[1].label == "R2"


# --- what stands beside the panels ------------------------------------------------------------------------------------------------


def test_more_is_asked_for_until_all_seeds_are_there():
    first = comparison([made()], [made()], Settings(seeds=2))
    assert overfitting_scene.scene(first).more is True
    assert overfitting_scene.scene(first, time_left=", 3 s left").status == "1 seed of 2, 3 s left"
    both = overfitting_scene.scene(comparison([made()] * 2, [made()] * 2, Settings(seeds=2)))
    assert (both.more, both.status) == (False, "")
    assert both.result != overfitting_scene.scene(first).result
    assert both.film == overfitting_scene.scene(first).film


def test_labels_of_one_class_are_noted():
    seed = next(k for k in range(1000) if datasets.load("moons", 4, 0.2, 0.5, k).one_class)
    chosen = Settings(n_train=4, flip=0.5, seed=seed)
    (note,) = overfitting_scene.scene(comparison([made()], [made()], chosen)).notes
    assert "of one class" in note
    assert overfitting_scene.scene(comparison([made()], [made()])).notes == ()


def test_test_points_are_drawn_where_they_are_asked_for():
    c = comparison([made()], [made()])

    def traces(test_points: bool) -> int:
        figure: Any = overfitting_scene.scene(c, test_points=test_points).panels[0].views[0].draw()
        return len(figure.data)

    assert traces(True) > traces(False)


# --- sliders and switch -----------------------------------------------------------------------------------------------------------


def sliders(**changes: Any) -> dict[str, Slider]:
    scene = overfitting_scene.scene(comparison([made()], [made()], Settings(**changes)))
    return {slider.name: slider for slider in scene.sliders}


def test_sliders_stop_at_the_grid_as_the_address_writes_it_and_stand_at_the_setting():
    found = sliders(switch_at=300, decay_after=0.1)
    assert set(found) == {"decay", "learning_rate", "decay_after"}
    for name, slider in found.items():
        spec = SPECS[name]
        assert isinstance(spec, Number)
        assert [address.value(name, [text]) for text in slider.values] == list(spec.grid)
        assert slider.values[slider.at] == address.written(name, {"decay": 2.0, "learning_rate": 0.03, "decay_after": 0.1}[name])
        assert len(slider.spoken) == len(slider.values)


def test_a_slider_speaks_the_share_that_each_of_its_values_takes():
    decay = sliders(learning_rate=0.02)["decay"]
    spoken = dict(zip(decay.values, decay.spoken, strict=True))
    assert spoken["0.01"] == "decay 0.01, shrinks weights by 0.02 % per step"
    assert spoken["0"] == "decay 0, no shrinking"
    for text, said in spoken.items():
        share = 100 * 0.02 * float(text)
        assert (f"by {share:.2g} % per step" in said) == (0 < share < 100)
    rate = sliders()["learning_rate"]
    assert rate.spoken[rate.at] == "learning rate 0.03"


def test_a_slider_for_the_decay_after_the_switch_is_there_with_a_switch_only():
    assert set(sliders()) == {"decay", "learning_rate"}
    after = sliders(switch_at=300)["decay_after"]
    assert after.label == "Decay from step 300"
    assert after.spoken[after.values.index("1")] == "decay 1, shrinks weights by 3 % per step"


def test_a_switch_is_told_and_drawn_at_its_step():
    chosen = Settings(switch_at=300, decay_after=0.5)
    scene = overfitting_scene.scene(comparison([made()], [made()], chosen))
    assert scene.switch == "decay 0.5 from step 300"
    assert named(scene, "with").title == "With decay 2, then 0.5 from step 300"
    assert overfitting_scene.scene(comparison([made()], [made()])).switch == ""
    assert overfitting_scene.scene(comparison([made()], [made()])).switch_to == "0"
    assert overfitting_scene.scene(comparison([made()], [made()], Settings(decay=0.0))).switch_to == "2"


# --- points -----------------------------------------------------------------------------------------------------------------------


def points(**changes: Any) -> Points:
    found = overfitting_scene.scene(comparison([made()], [made()], Settings(**changes))).points
    assert found is not None
    return found


def test_points_are_those_of_the_training_each_with_its_name():
    given = points(edits="r0~r2~a1.25_-0.4_1")
    split = datasets.split_for(Settings(edits="r0~r2~a1.25_-0.4_1"), 0)
    assert given.refs.tolist() == [1, *range(3, 40), -1]
    np.testing.assert_array_equal(given.labels, split.y_train[:39])
    np.testing.assert_allclose(given.xy, split.x_train[:39], atol=1e-6)
    np.testing.assert_allclose(given.xy[-1], [1.25, -0.4], atol=1e-6)
    assert given.text == "r0~r2~a1.25_-0.4_1"
    assert len(given.colours) == len(given.classes) == 2
    assert (given.least, given.most) == (4, 500)


def test_points_of_a_curve_have_one_kind():
    given = points(dataset="sine", edits="a0.5_-1_0")
    assert given.labels.tolist() == [0] * 41
    np.testing.assert_allclose(given.xy[-1], [0.5, -1.0], atol=1e-6)
    assert len(given.colours) == len(given.classes) == 1


def test_points_of_a_projection_cannot_be_moved_and_it_says_so():
    given = points(dataset="wine")
    assert "wine" in given.why_not
    assert given.xy.size == 0


# --- film -------------------------------------------------------------------------------------------------------------------------


def test_the_reel_s_last_captions_are_what_stands_above_the_pictures_of_one_seed(default: Comparison):
    chosen = Settings()
    scene = overfitting_scene.scene(replace_seeds(default, 1), filmed=filmed(chosen))
    assert scene.reel is not None
    for arm in ("without", "with"):
        captions = scene.reel.captions[arm]
        assert list(captions[-1]) == list(stats(named(scene, arm)).values())
        assert len(captions) == len(scene.reel.steps[arm]) == len(scene.reel.answers[arm])
        assert scene.reel.steps[arm].tolist() == default.without.histories[0].steps.tolist()
        first = default.arms[arm == "with"].histories[0]
        assert [texts[2] for texts in captions] == [words.number(float(loss)) for loss in first.losses["test"]]
        assert captions[0][4] == words.number(math.sqrt(sum(float(np.sum(w["weight"].astype(float) ** 2)) for w in first.start.values())))
    assert [*scene.reel.bars] == [view.label for view in named(scene, "weights").views]


def test_without_a_film_there_is_no_reel(default: Comparison):
    assert overfitting_scene.scene(default).reel is None


def replace_seeds(c: Comparison, seeds: int) -> Comparison:
    arms = [replace(arm, histories=arm.histories[:seeds]) for arm in c.arms]
    return Comparison(c.settings, c.split, c.plane, *arms)


# --- size -------------------------------------------------------------------------------------------------------------------------


class Line:
    """A server and a browser that reads and acknowledges each painting."""

    def __init__(self) -> None:
        self.wire, self.browser = Wire(), Reader()

    def paint(self, scene: Scene) -> int:
        """Bytes of the painting."""
        payload = encode(scene, self.wire)
        assert same(self.browser.open(payload), Reader().open(encode(scene)))
        self.wire.acknowledge(self.browser.acknowledge())
        return len(payload)


@pytest.fixture
def line(default: Comparison) -> Line:
    """A browser that shows the default page with all its seeds."""
    opened = Line()
    opened.paint(replace(overfitting_scene.scene(replace_seeds(default, 1)), only={}))
    opened.paint(overfitting_scene.scene(default))
    return opened


@pytest.mark.parametrize(
    "changes",
    [
        {"decay": 1.0},
        {"decay": 0.1},
        {"decay": 30.0},
        {"switch_at": 300},
        {"learning_rate": 0.01},  # both arms change
        {"edits": "r3~a0.5_0.5_1"},
    ],
    ids=str,
)
def test_a_change_of_the_default_page_travels_in_few_bytes(changes: dict[str, Any], line: Line):
    changed = compared(replace(Settings(), **changes))
    first = line.paint(replace(overfitting_scene.scene(replace_seeds(changed, 1)), only={}))
    rest = line.paint(overfitting_scene.scene(changed))
    assert first + rest < MOST_A_CHANGE, (first, rest)


def test_an_update_while_the_hand_moves_is_smaller_than_one_with_all_views(line: Line):
    changed = replace_seeds(compared(Settings(decay=0.3)), 1)
    picked = {"without": "answers", "with": "answers", "curves": "loss", "weights": "layer 1", "norms": "layer 1"}
    moving = line.paint(replace(overfitting_scene.scene(changed), only=picked))
    assert moving < len(encode(overfitting_scene.scene(changed))) / 2
    assert moving < MOST_A_CHANGE / 2


def test_a_painting_of_the_same_is_next_to_nothing(line: Line, default: Comparison):
    line.paint(overfitting_scene.scene(default))
    assert line.paint(overfitting_scene.scene(default)) < 6000


def test_a_film_travels_in_less_than_a_megabyte(line: Line, default: Comparison):
    scene = overfitting_scene.scene(default, filmed=filmed(Settings()))
    assert line.paint(scene) < MOST_A_FILM
    assert line.paint(scene) < 6000
