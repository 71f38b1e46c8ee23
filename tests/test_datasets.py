"""Data sets: what is drawn, split, scaled and flipped is what the page says it is."""

from __future__ import annotations

import dataclasses
import math
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st
from sklearn import datasets as shipped
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from wdviz.datasets import REGISTRY, Split, editable, load, max_train, plane, real, split_for, toy
from wdviz.datasets.prepare import prepare
from wdviz.settings import DATASETS, Settings

NAMES = list(REGISTRY)
TOY = [name for name, entry in REGISTRY.items() if entry.toy]
REAL = [name for name, entry in REGISTRY.items() if not entry.toy]
CLASSES = [name for name, entry in REGISTRY.items() if entry.classes]
REGRESSION = [name for name, entry in REGISTRY.items() if not entry.classes]
STANDARDISED = [name for name in REAL if not REGISTRY[name].divisor]

ARRAYS = [f.name for f in dataclasses.fields(Split) if isinstance(getattr(load("iris", 40, 0.1, 0.1, 0), f.name), np.ndarray)]


def some(name: str, n_train: int = 60, noise: float = 0.22, flip: float = 0.0, seed: int = 0) -> Split:
    return load(name, n_train, noise, flip, seed)


def train(split: Split) -> tuple[np.ndarray, np.ndarray]:
    return split.x_train[: split.n_train], split.y_train[: split.n_train]


def same(a: Split, b: Split, names: list[str]) -> bool:
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in names)


# Registry and cards


def test_every_entry_is_named_in_the_settings_in_the_same_order():
    assert tuple(entry.name for entry in (*toy.TOY, *real.REAL)) == DATASETS == tuple(REGISTRY)


@pytest.mark.parametrize("name", NAMES)
def test_cards_say_everything(name):
    entry = REGISTRY[name]
    texts = dataclasses.asdict(entry.card)
    assert all(text.strip() for text in texts.values())
    assert len(entry.feature_names) == entry.inputs
    assert len(set(entry.feature_names)) == entry.inputs
    assert math.prod(entry.shape) == (entry.inputs if entry.shape else 1)
    if not entry.toy:  # the sizes in the card are those that are used
        _, y = table(name)
        classes = np.bincount(y) if entry.classes else []
        for size in (len(y), entry.capacity, entry.n_validation, entry.n_test, *(classes if name != "digits" else [])):
            assert str(size) in entry.card.size
    if not entry.classes:
        assert "flipped labels do nothing" in entry.card.notes


@pytest.mark.parametrize(
    ("name", "bunch"),
    [("breast cancer", shipped.load_breast_cancer()), ("wine", shipped.load_wine()), ("iris", shipped.load_iris())],
)
def test_feature_names_are_in_the_order_of_the_file(name, bunch):
    assert [str(feature).replace("_", " ") for feature in bunch.feature_names] == list(REGISTRY[name].feature_names)


def test_card_of_the_sine_states_the_ceiling_of_r2():
    split = load("sine", 60, 0.22, 0.0, 3)
    truth = np.sin(2 * np.pi * split.x_test[:, 0])
    r2 = 1 - np.mean((split.y_test - truth) ** 2) / np.var(split.y_test)
    assert pytest.approx(0.91, abs=0.005) == 0.5 / (0.5 + 0.22**2)
    assert r2 == pytest.approx(0.91, abs=0.02)


def test_card_of_the_clouds_states_the_least_error():
    split = load("gaussians", 60, 0.22, 0.0, 0)
    least = 0.5 * math.erfc(0.7 * math.sqrt(2) / (3 * 0.22) / math.sqrt(2))  # half the distance over the standard deviation
    assert least == pytest.approx(0.07, abs=0.005)
    assert np.mean((split.x_test.sum(axis=1) > 0) != split.y_test) == pytest.approx(least, abs=0.04)


# Shapes and values


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("n_train", [4, 61])
def test_shapes_types_and_padding(name, n_train):
    entry, split = REGISTRY[name], some(name, n_train, flip=0.2)
    kind = np.int32 if entry.classes else np.float32
    assert (split.name, split.task, split.n_train, split.inputs) == (name, entry.task, n_train, entry.inputs)
    assert split.outputs == (len(entry.classes) if entry.classes else 1)
    for x, y, rows in (
        (split.x_train, split.y_train, entry.capacity),
        (split.x_validation, split.y_validation, entry.n_validation),
        (split.x_test, split.y_test, entry.n_test),
    ):
        assert x.shape == (rows, entry.inputs)
        assert x.dtype == np.float32
        assert y.shape == (rows,)
        assert y.dtype == kind
        assert np.isfinite(x).all()
        assert np.isfinite(y).all()
        if entry.classes:
            assert y.min() >= 0
            assert y.max() < split.outputs
    assert split.flipped.shape == (entry.capacity,)
    assert split.flipped.dtype == bool
    assert split.mean.shape == split.scale.shape == (entry.inputs,)
    assert np.abs(split.x_train[:n_train]).sum(axis=1).all()
    assert not split.x_train[n_train:].any()
    assert not split.y_train[n_train:].any()
    assert not split.flipped[n_train:].any()


@pytest.mark.parametrize("name", NAMES)
def test_arrays_cannot_be_written_to(name):
    split = some(name)
    assert "x_train" in ARRAYS
    assert "test_rows" in ARRAYS
    for array in ARRAYS:
        assert not getattr(split, array).flags.writeable


@pytest.mark.parametrize("name", NAMES)
def test_same_seed_same_arrays_other_seed_others(name):
    entry = REGISTRY[name]
    first, again = (prepare(entry, 50, 0.3, 0.2, 7) for _ in range(2))
    other = some(name, 50, 0.3, 0.2, 8)
    assert first is not again
    assert same(first, again, ARRAYS)
    for array in ("x_train", "y_train" if entry.task == "regression" else "flipped", "x_validation", "x_test"):
        assert not np.array_equal(getattr(first, array), getattr(other, array))


def test_split_for_reads_the_settings_and_repeats_come_from_the_cache():
    settings = Settings(dataset="iris", n_train=40, noise=0.1, flip=0.3)
    assert split_for(settings, 5) is load("iris", 40, 0.1, 0.3, 5)


# Toy sets


@pytest.mark.parametrize("name", [name for name in TOY if name in CLASSES])
def test_toy_classes_are_balanced_in_each_prefix(name):
    split = some(name, max_train(name))
    for labels in (split.y_train, split.y_validation, split.y_test):
        so_far = np.cumsum(np.eye(len(split.classes))[labels.astype(int)], 0)  # (points, classes)
        assert (np.ptp(so_far, 1) <= 1).all()


@pytest.mark.parametrize("name", TOY)
def test_toy_points_stay_as_drawn_and_parts_differ(name):
    split = some(name, 200)
    assert (split.mean == 0).all()
    assert (split.scale == 1).all()
    assert (split.target_mean, split.target_scale) == (0.0, 1.0)
    points = np.concatenate([train(split)[0], split.x_validation, split.x_test])
    assert len(np.unique(points, axis=0)) == len(points)


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_toy_noise_is_the_spread_around_the_shape_in_each_part(part):
    split = load("circles", 500, 0.05, 0.0, 1)
    x = getattr(split, f"x_{part}")
    shape = np.where(getattr(split, f"y_{part}") == 0, 1.0, 0.4)
    assert np.std(np.linalg.norm(x, axis=1) - shape) == pytest.approx(0.05, abs=0.01)


def test_noiseless_toy_sets_lie_on_their_shapes():
    xor, spirals, sine = (load(name, 100, 0.0, 0.0, 0) for name in ("xor", "spirals", "sine"))
    x, y = train(xor)
    assert np.array_equal(x[:, 0] * x[:, 1] < 0, y == 1)
    x, y = train(spirals)
    angle = np.arctan2(x[:, 1], x[:, 0])
    turned = angle - 2 * np.pi * 1.25 * np.linalg.norm(x, axis=1) / 2.5 - np.pi * y
    np.testing.assert_allclose(np.cos(turned), 1, atol=1e-4)
    x, y = train(sine)
    np.testing.assert_allclose(y, np.sin(2 * np.pi * x[:, 0]), atol=1e-6)


# Real sets


def table(name: str) -> tuple[np.ndarray, np.ndarray]:
    x, y = REGISTRY[name].load()
    return np.asarray(x), np.asarray(y)


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("seed", [0, 3])
def test_parts_of_real_sets_share_no_row(name, seed):
    split, (x, _) = some(name, max_train(name), noise=0.0, seed=seed), table(name)
    rows = np.concatenate([split.train_rows, split.validation_rows, split.test_rows])
    assert len(np.unique(rows)) == len(rows)
    assert len(rows) == len(x) or name == "digits"
    for part, chosen in ((train(split)[0], split.train_rows), (split.x_test, split.test_rows)):
        np.testing.assert_allclose(part * split.scale + split.mean, x[chosen], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", [name for name in REAL if name in CLASSES])
def test_each_part_has_the_classes_in_proportion(name):
    split, (_, y) = some(name, max_train(name)), table(name)
    overall = np.bincount(y) / len(y)
    for part, rows in ((train(split)[1], split.train_rows), (split.y_validation, split.validation_rows), (split.y_test, split.test_rows)):
        assert np.array_equal(part, y[rows])
        counts = np.bincount(part, minlength=len(overall))
        assert (np.abs(counts - overall * len(part)) <= 1).all()
    labels = train(split)[1]
    shares = np.bincount(labels) / len(labels)
    running = np.cumsum(np.eye(len(shares))[labels], axis=0)
    wanted = np.arange(1, len(labels) + 1)[:, None] * shares
    assert (np.abs(running - wanted) < 1 + 1e-9).all()  # so a small training set is stratified too


@pytest.mark.parametrize("name", STANDARDISED)
@pytest.mark.parametrize("n_train", [5, 50])
def test_scaler_is_fitted_to_the_training_rows_only(name, n_train):
    split, (x, y) = some(name, n_train, noise=0.0), table(name)
    scaler = StandardScaler().fit(x[split.train_rows])
    assert len(split.train_rows) == n_train
    np.testing.assert_allclose(split.mean, np.asarray(scaler.mean_), rtol=1e-6)
    np.testing.assert_allclose(split.scale, np.asarray(scaler.scale_), rtol=1e-6)
    for part, rows in ((train(split)[0], split.train_rows), (split.x_validation, split.validation_rows), (split.x_test, split.test_rows)):
        np.testing.assert_allclose(part, np.asarray(scaler.transform(x[rows])), rtol=1e-5, atol=1e-6)
    if name in REGRESSION:
        assert split.target_mean == pytest.approx(y[split.train_rows].mean())
        assert split.target_scale == pytest.approx(y[split.train_rows].std())
        np.testing.assert_allclose(split.y_test * split.target_scale + split.target_mean, y[split.test_rows], rtol=1e-5)


def test_a_constant_feature_is_left_unscaled():
    entry = REGISTRY["iris"]
    x, y = table("iris")
    constant = np.column_stack([np.full(len(x), 0.1), x[:, 1:]])
    split = prepare(dataclasses.replace(entry, load=lambda: (constant, y)), 30, 0.0, 0.0, 0)
    assert split.scale[0] == 1
    np.testing.assert_allclose(split.x_test[:, 0], 0, atol=1e-7)


def test_digits_are_divided_by_16_only():
    split, (x, _) = some("digits", 100, noise=0.0), table("digits")
    np.testing.assert_array_equal(split.x_test, (x[split.test_rows] / 16).astype(np.float32))
    assert split.x_train.min() >= 0
    assert split.x_train.max() == 1


@pytest.mark.parametrize("name", REAL)
def test_noise_of_real_sets_reaches_the_training_inputs_only(name):
    clean, noisy = some(name, max_train(name), noise=0.0), some(name, max_train(name), noise=0.5)
    added = train(noisy)[0] - train(clean)[0]
    assert added.std() == pytest.approx(0.5, rel=0.1)
    assert same(clean, noisy, [array for array in ARRAYS if array != "x_train"])


def test_diabetes_comes_in_raw_units():
    x, y = table("diabetes")
    assert (x[:, 0].min(), x[:, 0].max()) == (19, 79)  # years; scikit-learn's scaled version would have used the test rows
    assert (y.min(), y.max()) == (25, 346)


def test_penguins_without_measurements_are_left_out():
    from palmerpenguins import load_penguins

    everyone = load_penguins()
    x, y = real.penguins()
    assert np.isfinite(x).all()
    assert len(everyone) - len(x) == 2
    assert "2 of the 344" in REGISTRY["penguins"].card.notes
    assert some("penguins").note == REGISTRY["penguins"].card.notes
    measured = everyone[everyone["body_mass_g"].notna()]
    assert [REGISTRY["penguins"].classes[label] for label in y] == list(measured["species"])


def test_power_demand_is_what_sktime_reads():
    """Its own loader, and none of its warnings, in a process of its own: importing it takes over a second."""
    code = (
        "import sys, numpy as np; from sktime.datasets import load_italy_power_demand as load; "
        "x, y = load(return_type='numpy2d'); np.savez(sys.argv[1], x=x, y=y.astype(int))"
    )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "read.npz"
        subprocess.run([sys.executable, "-c", code, str(file)], check=True, capture_output=True)
        with np.load(file) as read:
            expected_x, expected_y = read["x"], read["y"]
    x, y = real.power_demand()
    np.testing.assert_array_equal(x, expected_x)
    np.testing.assert_array_equal(y + 1, expected_y)


def test_each_day_of_power_demand_is_scaled_by_itself_and_nothing_else():
    x, _ = table("power demand")
    np.testing.assert_allclose(x.mean(axis=1), 0, atol=1e-6)
    np.testing.assert_allclose(x.std(axis=1, ddof=1), 1, atol=1e-6)
    assert len(np.unique(x, axis=0)) == len(x)  # no day twice, so none is on both sides of a split
    split = some("power demand", 100, noise=0.0)
    np.testing.assert_array_equal(split.x_test, x[split.test_rows].astype(np.float32))
    assert not split.standardised


def test_the_card_of_power_demand_names_the_hours_of_the_evening_peaks():
    x, y = table("power demand")
    for label, hour in ((0, 20), (1, 22)):
        course = x[y == label].mean(axis=0)
        assert 16 + course[16:].argmax() == hour - 1  # from the 17th value, behind the peak of midday
        assert f"hour {hour}" in REGISTRY["power demand"].card.notes
    assert REGISTRY["power demand"].classes == ("October to March", "April to September")


def test_shapes_are_those_of_images_and_series():
    assert {name: entry.shape for name, entry in REGISTRY.items() if entry.shape} == {"digits": (8, 8, 1), "power demand": (24, 1, 1)}
    (x, _), bunch = table("digits"), cast(Any, shipped.load_digits())
    np.testing.assert_array_equal(x.reshape(-1, *REGISTRY["digits"].shape)[..., 0], bunch.images)


def test_a_split_that_leaves_a_class_out_is_refused():
    entry = REGISTRY["iris"]
    x, y = table("iris")
    rare = np.where(np.arange(len(y)) == 0, 0, np.where(y == 0, 1, y))  # one setosa only
    with pytest.raises(ValueError, match=r"iris has too few points of class 'setosa'"):
        prepare(dataclasses.replace(entry, load=lambda: (x, rare)), 30, 0.0, 0.0, 0)
    with pytest.raises(ValueError, match=r"iris has 100 rows; its split needs 150"):
        prepare(dataclasses.replace(entry, load=lambda: (x[:100], y[:100])), 30, 0.0, 0.0, 0)


# Training points and flipped labels


@pytest.mark.parametrize("name", NAMES)
def test_more_training_points_keep_the_first_ones_and_the_test_points(name):
    few, many = some(name, 40), some(name, 60)
    raw = [split.x_train[:40] if name in TOY else split.train_rows[:40] for split in (few, many)]
    assert np.array_equal(raw[0], raw[1])
    if name in REAL and name not in STANDARDISED:  # not rescaled, so its added noise must stay the same too
        assert np.array_equal(few.x_train[:40], many.x_train[:40])
    if name in CLASSES or name == "sine":
        assert np.array_equal(few.y_train[:40], many.y_train[:40])
        assert np.array_equal(few.y_test, many.y_test)
        assert np.array_equal(few.y_validation, many.y_validation)
    assert np.array_equal(few.test_rows, many.test_rows)
    assert np.array_equal(few.validation_rows, many.validation_rows)
    for part in ("x_validation", "x_test"):
        before, after = (getattr(split, part) * split.scale + split.mean for split in (few, many))
        np.testing.assert_allclose(before, after, rtol=1e-4, atol=1e-4)
        if name not in STANDARDISED:
            assert np.array_equal(before, after)


@limits(max_examples=40, deadline=None)
@given(name=st.sampled_from(CLASSES), n_train=st.integers(4, 88), flip=st.integers(0, 50), seed=st.integers(0, 30))
def test_exactly_the_stated_share_of_labels_is_flipped_to_another_class(name, n_train, flip, seed):
    n_train = min(n_train, max_train(name))
    clean, split = (load(name, n_train, 0.1, share, seed) for share in (0.0, flip / 100))
    assert split.flipped.sum() == round(flip / 100 * n_train)
    assert not clean.flipped.any()
    assert np.array_equal(clean.y_train != split.y_train, split.flipped)
    assert split.y_train.min() >= 0
    assert split.y_train.max() < split.outputs
    assert same(clean, split, [array for array in ARRAYS if array not in ("y_train", "flipped")])


def test_a_larger_share_flips_the_same_labels_and_more():
    few, many = some("digits", 300, flip=0.1), some("digits", 300, flip=0.3)
    assert (many.flipped | ~few.flipped).all()
    assert np.array_equal(few.y_train[few.flipped], many.y_train[few.flipped])


@pytest.mark.parametrize("seed", range(5))
def test_more_training_points_hardly_change_which_labels_are_flipped(seed):
    few, many = some("moons", 40, flip=0.2, seed=seed), some("moons", 60, flip=0.2, seed=seed)
    before, after = few.flipped[:40], many.flipped[:40]
    assert not (before & ~after).any() or not (after & ~before).any()  # lowest ranks either way: one contains the other


def test_flipped_labels_become_each_other_class_about_as_often():
    split, clean = some("digits", 500, flip=0.5), some("digits", 500)
    moved = (split.y_train - clean.y_train)[split.flipped] % 10
    counts = np.bincount(moved, minlength=10)
    assert counts[0] == 0
    assert (counts[1:] > 10).all()  # 250 flips over 9 classes: about 28 each


@pytest.mark.parametrize("name", REGRESSION)
def test_regression_has_no_labels_to_flip(name):
    assert same(some(name), some(name, flip=0.5), ARRAYS)


def test_one_class():
    split = some("iris")
    assert not split.one_class
    labels = np.zeros_like(split.y_train)
    labels[split.n_train :] = 1  # padding does not count
    assert dataclasses.replace(split, y_train=labels).one_class
    assert not dataclasses.replace(some("sine"), y_train=np.zeros(500, np.float32)).one_class


# Edits


def test_toy_sets_can_be_edited():
    assert [name for name in NAMES if editable(name)] == TOY
    with pytest.raises(ValueError, match="dataset is 'none'"):
        editable("none")


@pytest.mark.parametrize("name", TOY)
def test_edited_points_are_the_drawn_ones_less_some_and_some_more(name):
    drawn = load(name, 10, 0.2, 0.3, 0)
    split = load(name, 10, 0.2, 0.3, 0, edits="r2~r7~r400~a1.25_-0.4_1~a-3_2_0")
    kept = [0, 1, 3, 4, 5, 6, 8, 9]
    assert split.n_train == 10
    np.testing.assert_array_equal(split.refs, [*kept, -1, -2])
    x, y = train(split)
    np.testing.assert_array_equal(x[:8], drawn.x_train[kept])
    np.testing.assert_array_equal(y[:8], drawn.y_train[kept])
    np.testing.assert_array_equal(split.flipped[:8], drawn.flipped[kept])
    assert not split.flipped[8:].any()
    if name == "sine":
        np.testing.assert_allclose(x[8:, 0], [1.25, -3])
        np.testing.assert_allclose(y[8:], [-0.4, 2])
    else:
        np.testing.assert_allclose(x[8:], [[1.25, -0.4], [-3, 2]])
        np.testing.assert_array_equal(y[8:], [1, 0])
    assert not split.x_train[10:].any()
    assert not split.y_train[10:].any()
    changed = {"x_train", "y_train", "flipped", "refs"}
    assert same(drawn, split, [array for array in ARRAYS if array not in changed])
    for array in ARRAYS:
        assert getattr(split, array).dtype == getattr(drawn, array).dtype
        assert array == "refs" or getattr(split, array).shape == getattr(drawn, array).shape
    before, after = plane(drawn), plane(split)
    assert np.array_equal(before.grid, after.grid)
    assert np.array_equal(before.y, after.y)
    assert len(after.points) == 10


def test_without_edits_each_point_refers_to_itself():
    np.testing.assert_array_equal(some("moons", 7).refs, np.arange(7))
    np.testing.assert_array_equal(some("wine", 7).refs, np.arange(7))
    assert load("moons", 7, 0.2, 0.0, 0, edits="r7~r499").n_train == 7  # none of those was drawn


def test_edits_keep_the_points_drawn_with_the_seed_of_the_settings():
    settings = Settings(seed=5, edits="r0~a0_0_0")
    assert split_for(settings, 5) is split_for(settings, 8) is load("moons", 40, 0.2, 0.15, 5, edits=settings.edits)
    assert split_for(dataclasses.replace(settings, edits=""), 8) is load("moons", 40, 0.2, 0.15, 8)


@pytest.mark.parametrize(
    ("name", "n_train", "edits", "message"),
    [
        ("digits", 10, "r1", "edits need a data set drawn in its own plane; digits is not"),
        ("iris", 10, "a0_0_0", "iris is not"),
        ("moons", 10, "a0_0_1~a0_0_2", "edits add a point with label 2; the labels of moons are from 0 to 1"),
        ("moons", 4, "r3", "edits leave 3 training points; there must be from 4 to 500"),
        ("moons", 500, "a0_0_1", "edits leave 501 training points; there must be from 4 to 500"),
        ("moons", 10, "r2~r1", "edits is 'r2~r1'; it must be written 'r1~r2'"),
    ],
)
def test_bad_edits_are_named(name, n_train, edits, message):
    with pytest.raises(ValueError, match=message):
        load(name, n_train, 0.0, 0.0, 0, edits=edits)


def test_edits_up_to_the_limits_are_allowed():
    assert load("moons", 5, 0.0, 0.0, 0, edits="r0").n_train == 4
    assert load("moons", 500, 0.0, 0.0, 0, edits="r499~a0_0_1").n_train == 500
    assert load("sine", 4, 0.0, 0.0, 0, edits="a0_0_9").n_train == 5  # a label means nothing there


# Arguments


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"dataset": "mnist"}, r"dataset is 'mnist'; it must be one of moons, .*, power demand"),
        ({"dataset": ["wine"]}, r"dataset is \['wine'\]"),
        ({"n_train": 300}, r"n_train is 300; wine has at most 88 training points"),
        ({"n_train": 3}, r"n_train is 3; it must be a whole number from 4"),
        ({"n_train": 20.5}, r"n_train is 20.5"),
        ({"n_train": math.nan}, r"n_train is nan"),
        ({"n_train": math.inf}, r"n_train is inf"),
        ({"n_train": "20"}, r"n_train is '20'"),
        ({"noise": -0.1}, r"noise is -0.1; it must be from 0 to 1"),
        ({"noise": math.nan}, r"noise is nan"),
        ({"noise": math.inf}, r"noise is inf"),
        ({"flip": 0.51}, r"flip is 0.51; it must be from 0 to 0.5"),
        ({"flip": True}, r"flip is True"),
        ({"seed": -1}, r"seed is -1; it must be a whole number from 0 to 2147483648"),
        ({"seed": 2**31 + 1}, r"seed is 2147483649"),
        ({"seed": 0.5}, r"seed is 0.5"),
        ({"seed": None}, r"seed is None"),
    ],
)
def test_bad_arguments_are_named(changed, message):
    arguments = {"dataset": "wine", "n_train": 20, "noise": 0.0, "flip": 0.0, "seed": 0}
    load(**arguments)
    with pytest.raises(ValueError, match=message):
        load(**{**arguments, **changed})


def test_limits_themselves_are_allowed():
    load("wine", 88, 1.0, 0.5, 2**31)
    load("moons", 4, 0, 0, 0)
    with pytest.raises(ValueError, match="dataset is 'none'"):
        max_train("none")


# The plane


@pytest.mark.parametrize("name", NAMES)
def test_grid_rows_are_the_points_of_the_axes(name):
    split = some(name)
    p = plane(split, size=20)
    if split.inputs == 1:
        assert p.grid.shape == (400, 1)
        assert p.x.shape == (400,)
        assert np.array_equal(p.grid[:, 0], p.x)
    else:
        assert p.grid.shape == (400, split.inputs)
        assert p.x.shape == (20,)
        back = ((p.grid - p.origin) @ p.directions.T).reshape(20, 20, 2)
        np.testing.assert_allclose(back[..., 0], np.broadcast_to(p.x, (20, 20)), atol=2e-5)
        np.testing.assert_allclose(back[..., 1], np.broadcast_to(p.y[:, None], (20, 20)), atol=2e-5)
    assert p.y.shape == (20,)
    assert {array.dtype for array in (p.grid, p.x, p.y, p.points, p.test_points)} == {np.dtype(np.float32)}
    assert p.points.shape == (60, 2)
    assert p.test_points.shape == (len(split.x_test), 2)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("noise", [0.0, 0.22, 1.0])
def test_axes_hold_nearly_all_points(name, noise):
    split = some(name, max_train(name), noise)
    p = plane(split)
    low, high = [p.x[0], p.y[0]], [p.x[-1], p.y[-1]]
    assert ((p.test_points > low) & (p.test_points < high)).all()
    assert ((p.points > low) & (p.points < high)).all(axis=1).mean() >= 0.99
    ends = np.array([low, high]) * 10
    np.testing.assert_allclose(ends, np.round(ends), atol=1e-4)


@pytest.mark.parametrize("name", TOY)
def test_axes_of_toy_sets_hold_still_while_training_points_change(name):
    few, many = plane(some(name, 4)), plane(some(name, 500, flip=0.3))
    assert np.array_equal(few.x, many.x)
    assert np.array_equal(few.y, many.y)
    assert np.array_equal(few.grid, many.grid)
    assert not few.projected


def test_two_inputs_are_drawn_as_they_are():
    split = some("moons")
    p = plane(split)
    assert np.array_equal(p.points, split.x_train[:60])
    assert np.array_equal(p.test_points, split.x_test)
    assert p.labels == ("x1", "x2")


def test_one_input_is_drawn_against_the_target():
    split = some("sine")
    p = plane(split)
    assert np.array_equal(p.points, np.column_stack(train(split)))
    assert np.array_equal(p.test_points, np.column_stack([split.x_test[:, 0], split.y_test]))
    assert p.labels == ("x", "y")


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("n_train", [4, 80])
def test_plane_of_more_inputs_is_that_of_scikit_learns_pca(name, n_train):
    n_train = min(n_train, max_train(name))
    split = some(name, n_train, noise=0.1)
    p, pca = plane(split), PCA(n_components=2, svd_solver="full").fit(train(split)[0].astype(np.float64))
    components = np.asarray(pca.components_)
    signs = np.sign((p.directions * components).sum(axis=1))
    np.testing.assert_allclose(p.directions, signs[:, None] * components, atol=1e-4)
    np.testing.assert_allclose(p.points, pca.transform(train(split)[0]) * signs, atol=1e-3)
    np.testing.assert_allclose(p.test_points, pca.transform(split.x_test) * signs, atol=1e-2, rtol=1e-3)
    assert p.projected
    assert f"({100 * pca.explained_variance_ratio_[0]:.0f} %)" in p.labels[0]
    assert p.labels[0].startswith("principal component 1")
    assert p.labels[1].startswith("principal component 2")
    largest = np.abs(p.directions).argmax(axis=1)
    assert (p.directions[[0, 1], largest] > 0).all()


@pytest.mark.parametrize("size", [1, 2.5, True])
def test_plane_refuses_other_sizes(size):
    with pytest.raises(ValueError, match=f"size is {size}"):
        plane(some("moons"), size)
