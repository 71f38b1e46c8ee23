"""Tests of the kernel: what a run does with its data, seed, batches and amounts, and what it compiles."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import numpy as np
import pytest
from sklearn.metrics import accuracy_score, log_loss, r2_score

from tests.helpers import count_compilations, forward, pad, random_data, softmax
from wdviz import training
from wdviz.program import Hyperparameters, Program
from wdviz.regularisers import decay_factors
from wdviz.results import SPLITS, History
from wdviz.settings import AMOUNTS, DECAY_ON, REGULARISERS, SPECS
from wdviz.specs import Number
from wdviz.training import train

# It has it all but batch norm. Each test that can runs this one, since a program takes seconds to compile.
EVERYTHING = Program(
    "classification", inputs=3, outputs=4, n_train=60, n_validation=40, n_test=30, hidden=(16,), batch_size=16, film=True, grid=5,
    regularisers=tuple(name for name in REGULARISERS if name != "batch norm"),
    max_steps=400, checkpoints=20,
)  # fmt: skip
BARE = replace(EVERYTHING, regularisers=(), batch_size=64, film=False)
LINE = Program(
    "regression", inputs=2, outputs=1, n_train=16, n_validation=6, n_test=6, hidden=(), batch_size=4, max_steps=200, checkpoints=9
)
HYPER = Hyperparameters(decay=0.1, learning_rate=0.01, steps=60, dropout=0.2, l1=0.01, input_noise=0.1, label_smoothing=0.1)


def assert_equal(a: Any, b: Any) -> None:
    jax.tree.map(np.testing.assert_array_equal, a, b)


@pytest.fixture(scope="module")
def overfit() -> tuple[dict[str, Any], Hyperparameters, History]:
    """A run that overfits and is stopped early, with its data and amounts."""
    data = random_data(EVERYTHING, seed=2, n_train=20, noise=2.0)
    hyper = Hyperparameters(learning_rate=0.02, steps=400, patience=60)
    return data, hyper, train(EVERYTHING, hyper, data)


# Data


def test_the_rows_beyond_the_training_points_are_of_no_account():
    data, hyper = random_data(BARE), Hyperparameters(decay=0.1, learning_rate=0.01, steps=100)
    large = replace(BARE, n_train=500)
    for n in (60, 37):
        plain = train(BARE, hyper, data | {"n_train": n})
        padded = {name: pad(data[name][:n], 500, filler=9) for name in ("x_train", "y_train")}
        roomy = train(large, hyper, data | padded | {"n_train": n})
        for split in SPLITS:
            np.testing.assert_allclose(roomy.losses[split], plain.losses[split], rtol=1e-4)
            np.testing.assert_allclose(roomy.scores[split], plain.scores[split], atol=1e-6)
        np.testing.assert_allclose(roomy.norms, plain.norms, rtol=1e-4)
        np.testing.assert_allclose(roomy.step_losses, plain.step_losses, rtol=1e-4)
    assert abs(plain.losses["train"][-1] - train(BARE, hyper, data).losses["train"][-1]) > 1e-3  # the number of points does count


@pytest.mark.parametrize(("n", "size"), [(16, 4), (10, 4), (9, 4), (3, 4), (16, 6)])
def test_each_epoch_visits_each_training_point_once_in_a_new_order(n, size):
    # At rate 0 the line stays at zero, and a batch's loss is the mean of y^2 / 2: with powers of two it names the batch's points.
    data = random_data(LINE, n_train=n) | {"y_train": np.sqrt(2.0 * 2.0 ** np.arange(16))}
    sizes = [min(size, n - at) for at in range(0, n, size)]
    losses = train(replace(LINE, batch_size=size), Hyperparameters(learning_rate=0.0, steps=len(sizes) * 6), data).step_losses
    sums = np.round(losses.reshape(6, len(sizes)) * sizes).astype(int)  # (epochs, batches)
    for epoch in sums:
        batches = [{i for i in range(16) if code >> i & 1} for code in epoch]
        assert [len(batch) for batch in batches] == sizes
        assert set.union(*batches) == set(range(n))
    if n > size:
        assert len({tuple(epoch) for epoch in sums}) == 6


@pytest.mark.parametrize("name", ["x_train", "y_train", "x_validation", "y_test", "grid"])
def test_a_bad_shape_is_refused_by_the_name_of_its_array(name):
    data = random_data(EVERYTHING)
    for other in (data[name][:-1], np.concatenate([data[name], data[name][:1]])):
        with pytest.raises(ValueError, match=rf"{name} has shape \({len(other)}.*\); this program takes \({len(data[name])}"):
            train(EVERYTHING, HYPER, data | {name: other})


@pytest.mark.parametrize("n", [0, -1, 61])
def test_there_must_be_training_points_and_no_more_than_fit(n):
    with pytest.raises(ValueError, match=f"n_train is {n}; it must be from 1 to 60"):
        train(EVERYTHING, HYPER, random_data(EVERYTHING, n_train=n))


@pytest.mark.parametrize("steps", [0, 401])
def test_steps_beyond_the_program_are_refused_before_anything_is_compiled(steps):
    fresh = replace(EVERYTHING, n_test=31)
    with count_compilations() as compilations, pytest.raises(ValueError, match=f"steps is {steps}; it must be from 1 to 400"):
        train(fresh, replace(HYPER, steps=steps), random_data(fresh))
    assert len(compilations) == 0


def test_a_grid_of_no_points_and_no_rows_held_out_need_not_be_given():
    data, hyper = random_data(LINE), Hyperparameters(learning_rate=0.05, steps=20)
    bare = {name: array for name, array in data.items() if name not in ("grid", "n_held")}
    assert LINE.grid == 0
    assert_equal(train(LINE, hyper, bare).losses, train(LINE, hyper, data | {"n_held": 0}).losses)


# Chance


def test_the_same_seed_gives_the_same_run_bit_for_bit_and_another_seed_another():
    data = random_data(EVERYTHING)
    one, two, other = (train(EVERYTHING, replace(HYPER, seed=seed), data) for seed in (3, 3, 4))
    for part in ("losses", "scores", "norms", "angles", "penalty", "step_losses", "start", "params", "grid", "film_params"):
        assert_equal(getattr(one, part), getattr(two, part))
    assert np.any(one.start["layer1"]["weight"] != other.start["layer1"]["weight"])
    assert one.step_losses[0] != other.step_losses[0]


def test_runs_that_differ_in_their_decay_share_start_batches_masks_and_noise():
    data = random_data(EVERYTHING)
    runs = [train(EVERYTHING, replace(HYPER, decay=decay), data) for decay in (0.0, 1.0)]
    assert_equal(runs[0].start, runs[1].start)
    assert runs[0].step_losses[0] == runs[1].step_losses[0]
    assert runs[0].step_losses[5] != runs[1].step_losses[5]
    # At rate 0 the weights stay, so the losses of the steps differ by batch, mask and noise alone.
    still = [train(EVERYTHING, replace(HYPER, decay=decay, learning_rate=0.0), data) for decay in (0.0, 1.0)]
    assert_equal(still[0].step_losses, still[1].step_losses)
    assert len(np.unique(still[0].step_losses)) == HYPER.steps
    assert_equal(still[0].params, still[0].start)


@pytest.mark.parametrize("amount", ["dropout", "input_noise"])
def test_masks_and_noise_are_drawn_afresh_at_each_step(amount):
    data = random_data(EVERYTHING, n_train=16)  # one batch, so that its order cannot be what changes
    quiet = Hyperparameters(learning_rate=0.0, steps=30)
    assert len(np.unique(train(EVERYTHING, quiet, data).step_losses)) == 1
    assert len(np.unique(train(EVERYTHING, replace(quiet, **{amount: 0.4}), data).step_losses)) == 30


def test_amounts_of_zero_are_the_network_without_regularisers():
    data, quiet = random_data(EVERYTHING, n_train=16), Hyperparameters(learning_rate=0.01, steps=50)
    np.testing.assert_allclose(train(EVERYTHING, quiet, data).losses["test"][-1], train(BARE, quiet, data).losses["test"][-1], rtol=1e-4)


def test_smoothed_labels_are_minimised_but_not_reported():
    data = random_data(EVERYTHING, n_train=16)
    history = train(EVERYTHING, Hyperparameters(learning_rate=0.0, steps=10, label_smoothing=0.5), data)
    log_p = np.log(softmax(forward(history.start, data["x_train"][:16])))
    plain = -log_p[np.arange(16), data["y_train"][:16]]
    np.testing.assert_allclose(history.losses["train"][0], plain.mean(), rtol=1e-5)
    np.testing.assert_allclose(history.step_losses[0], (0.5 * plain - 0.5 * log_p.mean(1)).mean(), rtol=1e-5)


# Checkpoints


@pytest.mark.parametrize(("steps", "count"), [(1, 60), (10, 60), (500, 60), (3000, 60), (3000, 2), (7, 7)])
def test_checkpoints_run_from_the_start_to_the_last_step_densest_early(steps, count):
    at = training.checkpoints(steps, count)
    assert len(at) == count
    assert (at[0], at[-1]) == (0, steps)
    gaps = np.diff(at)
    assert np.all(gaps >= 0)
    assert np.all(np.diff(gaps) >= -1)  # up to rounding
    assert np.all(np.diff(train(BARE, Hyperparameters(steps=min(steps, 400)), random_data(BARE)).steps) > 0)


@pytest.fixture(scope="module")
def each_step() -> History:
    """A run with a checkpoint at each of its 20 steps."""
    return train(replace(EVERYTHING, checkpoints=400), replace(HYPER, steps=20), random_data(EVERYTHING))


def test_the_number_of_checkpoints_does_not_change_the_run(each_step):
    history = train(EVERYTHING, replace(HYPER, steps=20), random_data(EVERYTHING))
    assert (len(each_step.steps), len(history.steps)) == (21, 15)
    assert_equal(history.step_losses, each_step.step_losses)
    assert_equal(history.film_params, jax.tree.map(lambda a: a[history.steps], each_step.film_params))


def test_the_film_ends_with_the_final_weights_and_predictions():
    history = train(EVERYTHING, HYPER, random_data(EVERYTHING))
    assert history.film_params is not None
    assert history.film_grid is not None
    frames = len(history.steps)
    assert history.kept == frames - 1
    assert all(len(leaf) == frames for leaf in jax.tree.leaves(history.film_params))
    assert_equal(jax.tree.map(lambda a: a[0], history.film_params), history.start)
    assert_equal(jax.tree.map(lambda a: a[-1], history.film_params), history.params)
    assert history.film_grid.shape == (frames, 5, 4)
    np.testing.assert_allclose(history.film_grid[-1], history.grid, rtol=1e-5)
    for layer, name in enumerate(history.layers):
        norms = np.linalg.norm(history.film_params[name]["weight"], axis=(1, 2))
        np.testing.assert_allclose(history.norms[:, layer], norms, rtol=1e-5)
    assert history.norm == pytest.approx(np.sqrt(sum(np.sum(layer["weight"] ** 2) for layer in history.params.values())), rel=1e-5)


def test_angles_are_those_of_the_last_step(each_step):
    np.testing.assert_allclose(each_step.angles[0], 0, atol=1e-6)
    for layer, name in enumerate(each_step.layers):
        w = each_step.film_params[name]["weight"].astype(float).reshape(21, -1)
        w /= np.linalg.norm(w, axis=1, keepdims=True)
        np.testing.assert_allclose(each_step.angles[1:, layer], np.arccos(np.sum(w[1:] * w[:-1], 1)), rtol=1e-3)


def test_weights_that_a_step_turns_over_turn_by_half_a_circle():
    # Nothing to learn, and learning rate x decay of 2: each step changes the sign of each weight.
    program = replace(LINE, hidden=(6,), optimiser="sgd", schedule="constant", batch_size=16, checkpoints=150)
    data = {name: np.zeros_like(array) for name, array in random_data(program).items()} | {"n_train": 16}
    for seed in range(20):
        history = train(program, Hyperparameters(decay=20.0, learning_rate=0.1, steps=3, seed=seed), data)
        np.testing.assert_allclose(history.angles[1:], np.pi, rtol=1e-3)


# What is measured


def test_classification_ends_with_the_metrics_of_scikit_learn():
    data = random_data(EVERYTHING, n_train=45)
    history = train(EVERYTHING, HYPER, data)
    for split in SPLITS:
        n = 45 if split == "train" else None
        p, y = softmax(forward(history.params, data[f"x_{split}"][:n])), data[f"y_{split}"][:n]
        assert history.loss(split) == pytest.approx(log_loss(y, p, labels=range(4)), rel=1e-5)
        assert history.score(split) == np.float32(accuracy_score(y, p.argmax(1)))
    np.testing.assert_allclose(history.grid, softmax(forward(history.params, data["grid"])), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_regression_ends_with_the_metrics_of_scikit_learn(offset):
    program = replace(LINE, grid=5)
    data = random_data(program, n_train=13)
    data |= {f"y_{split}": data[f"y_{split}"] + offset for split in SPLITS}
    history = train(program, Hyperparameters(decay=0.01, learning_rate=0.05, steps=100), data)
    for split in SPLITS:
        n = 13 if split == "train" else None
        y, guess = data[f"y_{split}"][:n], forward(history.params, data[f"x_{split}"][:n])[:, 0]
        assert history.loss(split) == pytest.approx(np.mean((y - guess) ** 2) / 2, rel=1e-4)
        assert history.score(split) == pytest.approx(r2_score(y, guess), rel=1e-3)
    np.testing.assert_allclose(history.grid, forward(history.params, data["grid"]), rtol=1e-4)


@pytest.mark.parametrize(("decay_on", "spare"), [*((on, "none") for on in DECAY_ON), ("weights", "first layer"), ("everything", "biases")])
def test_the_penalty_is_that_of_numpy(decay_on, spare):
    history = train(EVERYTHING, replace(HYPER, decay=0.3, decay_on=decay_on, spare=spare), random_data(EVERYTHING))
    factors = decay_factors({name: tuple(history.params[name]) for name in history.layers}, decay_on, spare)
    squares = sum(np.sum(array**2) for name, layer in history.params.items() for leaf, array in layer.items() if factors[name][leaf])
    assert history.penalty[-1] == pytest.approx(0.5 * 0.3 * squares, rel=1e-5)


def test_the_shrink_is_what_decay_alone_would_leave():
    history = train(LINE, Hyperparameters(decay=0.5, learning_rate=0.1, steps=100), random_data(LINE))
    rates = 0.1 * (1 + np.cos(np.pi * np.arange(100) / 100)) / 2
    left = np.cumprod(np.append(1, 1 - rates * 0.5))
    np.testing.assert_allclose(history.shrink, left[history.steps], rtol=1e-4)


# Another decay from some step on


@pytest.mark.parametrize("name", ["momentum", "adam"])
def test_a_switch_of_decay_changes_nothing_before_and_much_after(name):
    program = replace(EVERYTHING, optimiser=name, checkpoints=400)
    data, hyper = random_data(program), replace(HYPER, steps=20, decay=2.0)
    plain, switched = (train(program, replace(hyper, decay_after=9.0, switch_at=at), data) for at in (0, 8))
    # The loss of step 8 is that of the weights after 8 steps; the first weights to differ are those after 9.
    assert_equal(switched.step_losses[:9], plain.step_losses[:9])
    assert np.all(switched.step_losses[9:] != plain.step_losses[9:])
    for part in ("norms", "angles", "shrink"):
        assert_equal(getattr(switched, part)[:9], getattr(plain, part)[:9])
        assert np.any(getattr(switched, part)[9:] != getattr(plain, part)[9:])
    assert_equal(switched.penalty[:8], plain.penalty[:8])
    np.testing.assert_allclose(switched.penalty[8], plain.penalty[8] * 9 / 2, rtol=1e-6)  # the same weights, the decay from here on


def test_a_switch_that_changes_nothing_is_none():
    data = random_data(EVERYTHING)
    plain = train(EVERYTHING, HYPER, data)
    for idle in ({"switch_at": 30, "decay_after": HYPER.decay}, *({"switch_at": at, "decay_after": 3.0} for at in (0, 60, 61, 5000))):
        switched = train(EVERYTHING, replace(HYPER, **idle), data)
        for part in ("losses", "norms", "penalty", "shrink", "step_losses", "params"):
            assert_equal(getattr(switched, part), getattr(plain, part))


def test_no_switch_is_none_in_a_run_as_long_as_its_program_allows():
    program, hyper = replace(LINE, max_steps=25), Hyperparameters(decay=0.5, steps=25)
    data = random_data(program)
    plain, other = (train(program, replace(hyper, decay_after=after), data) for after in (0.5, 3.0))
    for part in ("norms", "penalty", "shrink"):
        assert_equal(getattr(other, part), getattr(plain, part))


@pytest.mark.parametrize("decay_kind", ["decoupled", "coupled"])
@pytest.mark.parametrize(("before", "after", "at"), [(0.5, 3.0, 20), (3.0, 0.0, 20), (0.0, 3.0, 20), (0.5, 3.0, 1)])
def test_without_anything_to_learn_the_weights_follow_both_decays_in_turn(decay_kind, before, after, at):
    # Inputs and targets of 0: the gradient of each weight is 0, and decay is all that moves it.
    program = replace(LINE, hidden=(6,), optimiser="sgd", decay_kind=decay_kind, schedule="constant", batch_size=16, checkpoints=150)
    data = {name: np.zeros_like(array) for name, array in random_data(program).items()} | {"n_train": 16}
    history = train(program, Hyperparameters(before, learning_rate=0.1, steps=50, decay_after=after, switch_at=at), data)
    t = history.steps
    left = (1 - 0.1 * before) ** np.minimum(t, at) * (1 - 0.1 * after) ** np.maximum(t - at, 0)
    np.testing.assert_allclose(history.shrink, left, rtol=1e-5)
    np.testing.assert_allclose(history.norms, left[:, None] * history.norms[0], rtol=1e-5)
    np.testing.assert_allclose(history.penalty, np.where(t < at, before, after) / 2 * np.sum(history.norms**2, 1), rtol=1e-5)


def test_rows_held_out_are_scored_in_place_of_the_test_set_and_never_trained_on():
    data, hyper = random_data(BARE), Hyperparameters(decay=0.1, learning_rate=0.01, steps=100)
    held = train(BARE, hyper, data | {"n_train": 40, "n_held": 12})
    alone = train(BARE, hyper, data | {"n_train": 40})
    p = softmax(forward(held.params, data["x_train"][40:52]))
    assert held.loss("test") == pytest.approx(log_loss(data["y_train"][40:52], p, labels=range(4)), rel=1e-4)
    assert held.score("test") == pytest.approx(accuracy_score(data["y_train"][40:52], p.argmax(1)))
    for part in ("params", "step_losses", "norms"):
        assert_equal(getattr(held, part), getattr(alone, part))
    for split in ("train", "validation"):
        assert_equal(held.losses[split], alone.losses[split])
    other = {"x_test": data["x_test"] + 5, "y_test": (data["y_test"] + 1) % 4}  # not looked at
    assert_equal(train(BARE, hyper, data | other | {"n_train": 40, "n_held": 12}).losses, held.losses)
    single = train(BARE, hyper, data | {"n_train": 40, "n_held": 1})
    assert single.loss("test") == pytest.approx(-np.log(p[0, data["y_train"][40]]), rel=1e-4)


def test_no_more_rows_are_held_out_than_there_are():
    data = random_data(BARE)
    for n in (40, 25):  # more and less than half of the 60
        for held in (-1, 61 - n):
            with pytest.raises(ValueError, match=rf"n_held is {held}; it must be from 0 to {60 - n}, the rows left"):
                train(BARE, HYPER, data | {"n_train": n, "n_held": held})
        train(BARE, HYPER, data | {"n_train": n, "n_held": 60 - n})


def test_the_first_layer_learns_at_a_rate_of_its_own():
    # One step of plain SGD: a weight's update is its rate times its gradient.
    program = replace(LINE, hidden=(6,), optimiser="sgd", schedule="constant", batch_size=16, checkpoints=2)
    data = random_data(program)
    plain, double, still = (
        train(program, Hyperparameters(0.5, learning_rate=0.01, steps=1, first_rate=factor), data) for factor in (1.0, 2.0, 0.0)
    )
    for layer, leaf in (("layer1", "weight"), ("layer1", "bias"), ("output", "weight"), ("output", "bias")):
        moved = [h.params[layer][leaf] - h.start[layer][leaf] for h in (plain, double, still)]
        factors = (2, 0) if (layer, leaf) == ("layer1", "weight") else (1, 1)
        assert np.abs(moved[0]).max() > 1e-4
        for factor, after in zip(factors, moved[1:], strict=True):
            np.testing.assert_allclose(after, factor * moved[0], atol=1e-6)


def test_batch_norm_is_evaluated_with_running_statistics():
    program = replace(LINE, hidden=(6,), regularisers=("batch norm",), batch_size=16, checkpoints=4)
    data = random_data(program)
    history = train(program, Hyperparameters(learning_rate=0.0, steps=10), data)
    # At rate 0 and in one batch, the running statistics are those of the training set, and so are the losses.
    assert history.losses["train"][-1] == pytest.approx(history.step_losses[0], rel=1e-4)
    train_z, test_z = (data[f"x_{split}"] @ history.params["layer1"]["weight"] for split in ("train", "test"))
    normal = np.maximum((test_z - train_z.mean(0)) / np.sqrt(train_z.var(0) + 1e-5), 0)
    guess = (normal @ history.params["output"]["weight"])[:, 0]
    assert history.loss("test") == pytest.approx(np.mean((data["y_test"] - guess) ** 2) / 2, rel=1e-4)
    assert history.losses["test"][0] != pytest.approx(history.loss("test"), rel=1e-3)


# Early stopping and divergence


def test_early_stopping_keeps_the_weights_with_the_lowest_validation_loss(overfit):
    data, _, history = overfit
    assert history.kept == np.argmin(history.losses["validation"])
    assert history.kept not in (np.argmin(history.losses["train"]), np.argmin(history.losses["test"]))  # or it could be either's minimum
    assert 0 < history.kept < len(history.steps) - 1
    p = softmax(forward(history.params, data["x_validation"]))
    assert log_loss(data["y_validation"], p, labels=range(4)) == pytest.approx(history.losses["validation"].min(), rel=1e-5)
    assert_equal(jax.tree.map(lambda a: a[history.kept], history.film_params), history.params)


def test_early_stopping_ends_the_curves_once_patience_is_out(overfit):
    _, hyper, history = overfit
    best = history.steps[[np.argmin(history.losses["validation"][: k + 1]) for k in range(len(history.steps))]]
    waited = history.steps - best
    assert np.all(waited[:-1] < hyper.patience)
    assert waited[-1] >= hyper.patience
    assert history.steps[-1] < hyper.steps
    assert len(history.step_losses) == history.steps[-1]
    assert np.isfinite(history.step_losses).all()
    assert not history.diverged


def test_of_equal_losses_early_stopping_keeps_the_first_and_its_patience_runs_out():
    history = train(EVERYTHING, Hyperparameters(learning_rate=0.0, steps=400, patience=60), random_data(EVERYTHING))
    at = training.checkpoints(400, EVERYTHING.checkpoints)
    assert (history.kept, history.steps[-1]) == (0, at[at >= 60][0])


def test_patience_ends_at_the_very_checkpoint_that_it_reaches():
    # At rate 0 nothing gets better than the start, so patience is counted from there.
    at = training.checkpoints(400, EVERYTHING.checkpoints)
    for patience, end in ((at[3], at[3]), (at[8], at[8]), (at[8] + 1, at[9])):
        history = train(EVERYTHING, Hyperparameters(learning_rate=0.0, steps=400, patience=int(patience)), random_data(EVERYTHING))
        assert history.steps[-1] == end


def test_where_no_validation_loss_is_a_number_the_start_is_kept_and_patience_counts_from_it():
    at = training.checkpoints(400, EVERYTHING.checkpoints)
    data = random_data(EVERYTHING)
    blind = data | {"x_validation": np.full_like(data["x_validation"], np.nan)}
    for patience, end in ((at[8], at[8]), (at[8] + 1, at[9])):
        history = train(EVERYTHING, Hyperparameters(learning_rate=0.01, steps=400, patience=int(patience)), blind)
        assert (history.kept, history.steps[-1]) == (0, end)
        assert_equal(history.params, history.start)


def test_a_program_with_early_stopping_keeps_the_last_weights_where_a_run_does_not_want_it(overfit):
    data, hyper, stopped = overfit
    history = train(EVERYTHING, replace(hyper, early=False), data)
    assert (history.kept, history.steps[-1]) == (len(history.steps) - 1, hyper.steps)
    assert history.loss("validation") > stopped.loss("validation")
    assert_equal(jax.tree.map(lambda a: a[-1], history.film_params), history.params)


def test_patience_without_end_is_no_early_stopping_but_still_keeps_the_best(overfit):
    data, hyper, stopped = overfit
    history = train(EVERYTHING, replace(hyper, patience=10_000), data)
    assert history.steps[-1] == hyper.steps
    assert history.kept == np.argmin(history.losses["validation"])
    for split in SPLITS:
        assert_equal(history.losses[split][: len(stopped.steps)], stopped.losses[split])


def test_a_run_that_diverges_says_so_and_raises_nothing():
    data = random_data(LINE)
    wild = train(LINE, Hyperparameters(decay=300.0, learning_rate=0.1, steps=200), data)  # each step turns the weights over, 29-fold
    assert wild.diverged
    assert len(wild.steps) == 9
    assert not train(LINE, Hyperparameters(decay=10.0, learning_rate=0.1, steps=200), data).diverged


# Compilation


def test_no_amount_compiles_anything():
    data = random_data(EVERYTHING)
    base = train(EVERYTHING, HYPER, data)
    tour: list[dict[str, Any]] = [
        {"decay": 0}, {"decay": 2}, {"decay": 0.25}, *({"decay_on": decay_on} for decay_on in DECAY_ON), {"learning_rate": 1},
        {"learning_rate": 0.005}, {"momentum": 0}, {"momentum": 0.5}, {"steps": 10}, {"steps": 400},
        {"switch_at": 30}, {"switch_at": 10, "decay_after": 2.0}, {"first_rate": 0.1}, {"early": False}, {"spare": "first layer"},
        {"patience": 10}, {"patience": 5000}, {"seed": 1}, {"seed": 9999}, {"decay": np.float32(0.5)}, {"steps": np.int64(20)},
    ]  # fmt: skip
    halves = {name: spec.high / 2 for names in AMOUNTS.values() for name in names if isinstance(spec := SPECS[name], Number)}
    assert {name for amounts in tour for name in amounts} | set(halves) == set(Hyperparameters.__dataclass_fields__)
    with count_compilations() as compilations:
        histories = [train(EVERYTHING, replace(HYPER, **amounts), data) for amounts in tour]
        fewer = [train(EVERYTHING, HYPER, data | {"n_train": n}) for n in (1, 16, 59)]
        halved = {name: train(EVERYTHING, replace(HYPER, **{name: half}), data) for name, half in halves.items()}
        none = train(EVERYTHING, replace(HYPER, **dict.fromkeys(halves, 0)), data)
    assert len(compilations) == 0

    def changed(history: History) -> bool:
        return bool(np.any(history.params["layer1"]["weight"] != base.params["layer1"]["weight"]))

    # All did arrive: but Adam has no momentum, nothing stops early here, and weights are what decays anyway.
    idle = {name for amounts, history in zip(tour, histories, strict=True) if not changed(history) for name in amounts}
    assert idle == {"decay_on", "momentum", "early", "patience"}
    assert {name for name, history in halved.items() if not changed(history)} <= {"shift", "rotation"}  # of images, which these are not
    assert all(map(changed, [*fewer, none]))


def test_another_program_compiles_once_and_the_count_sees_it():
    program = replace(LINE, n_test=7)
    with count_compilations() as compilations:
        train(program, Hyperparameters(steps=10), random_data(program))
    assert len(compilations) == 1
    with count_compilations() as compilations:
        train(program, Hyperparameters(steps=10), random_data(program, seed=1))
    assert len(compilations) == 0
