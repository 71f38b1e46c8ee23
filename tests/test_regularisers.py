"""Tests of the regularisers: a closed form for each, amount zero, and what is not decayed."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from wdviz import regularisers
from wdviz.settings import DECAY_ON, PARTS

quick = settings(max_examples=30, deadline=None)
NORMED = ("weight", "bias", "scale", "shift")
NETWORK = {"layer1": NORMED, "layer2": NORMED, "output": ("weight", "bias")}
RECURRENT = {
    "layer1 input": ("weight", "bias"),
    "layer1 recurrent": ("weight", "bias"),
    "layer1 norm": ("scale", "shift"),
    "output": NORMED[:2],
}
BLOCK = ("query", "key", "value", "projection", "expand", "contract")
ATTENTION = {
    "embedding": ("weight", "bias"),
    "positions": ("weight",),
    "class token": ("weight",),
    **{f"block{i} {name}": ("weight", "bias") for i in (1, 2) for name in BLOCK},
    **{f"block{i} norm{j}": ("scale", "shift") for i in (1, 2) for j in (1, 2)},
    "norm": ("scale", "shift"),
    "output": ("weight", "bias"),
}
KEY = jax.random.key(0)
X: Any = np.random.default_rng(0).normal(size=(500, 40)).astype("float32")


# What decays


@pytest.mark.parametrize(
    ("decay_on", "decayed"),
    [
        ("weights", {"layer1.weight", "layer2.weight", "output.weight"}),
        ("weights and biases", {f"{layer}.{leaf}" for layer in NETWORK for leaf in ("weight", "bias")}),
        ("everything", {f"{layer}.{leaf}" for layer, leaves in NETWORK.items() for leaf in leaves}),
        ("first layer", {"layer1.weight"}),
        ("output layer", {"output.weight"}),
        ("all but the output layer", {"layer1.weight", "layer2.weight"}),
        ("middle layers", {"layer2.weight"}),
        ("biases", {f"{layer}.bias" for layer in NETWORK}),
        ("norm scales", {f"layer{i}.{leaf}" for i in (1, 2) for leaf in ("scale", "shift")}),
        ("recurrent matrix", set()),
    ],
)
def test_only_what_is_named_decays(decay_on, decayed):
    assert decay_on in DECAY_ON
    factors = regularisers.decay_factors(NETWORK, decay_on)
    assert list(factors) == list(NETWORK)
    flat = {f"{layer}.{leaf}": factor for layer, leaves in factors.items() for leaf, factor in leaves.items()}
    assert set(flat) == {f"{layer}.{leaf}" for layer, leaves in NETWORK.items() for leaf in leaves}
    assert {name for name, factor in flat.items() if factor == 1} == decayed
    assert {name for name, factor in flat.items() if factor == 0} == set(flat) - decayed


def decayed(arrays, decay_on, spare="none"):
    factors = regularisers.decay_factors(arrays, decay_on, spare)
    return {f"{layer}.{leaf}" for layer, leaves in factors.items() for leaf, factor in leaves.items() if factor}


def test_the_parts_of_a_recurrent_network():
    assert set(regularisers.parts(RECURRENT)) == {"first layer", "output layer", "biases", "norm scales", "recurrent matrix"}
    assert decayed(RECURRENT, "first layer") == {"layer1 input.weight", "layer1 recurrent.weight"}
    assert decayed(RECURRENT, "recurrent matrix") == {"layer1 recurrent.weight"}
    assert decayed(RECURRENT, "weights", "recurrent matrix") == {"layer1 input.weight", "output.weight"}


def test_the_parts_of_an_attention_network():
    assert set(regularisers.parts(ATTENTION)) == set(PARTS) - {"recurrent matrix"}
    assert decayed(ATTENTION, "first layer") == {"embedding.weight", "positions.weight", "class token.weight"}
    assert decayed(ATTENTION, "embedding and positions") == decayed(ATTENTION, "first layer")
    assert decayed(ATTENTION, "middle layers") == {f"block{i} {name}.weight" for i in (1, 2) for name in BLOCK}
    assert decayed(ATTENTION, "queries and keys") == {f"block{i} {name}.weight" for i in (1, 2) for name in ("query", "key")}
    assert decayed(ATTENTION, "values and projection") == {f"block{i} {name}.weight" for i in (1, 2) for name in ("value", "projection")}
    assert decayed(ATTENTION, "feedforward block") == {f"block{i} {name}.weight" for i in (1, 2) for name in ("expand", "contract")}
    assert decayed(ATTENTION, "norm scales") == {f"{name}.{leaf}" for name in ATTENTION if "norm" in name for leaf in ("scale", "shift")}


@pytest.mark.parametrize("arrays", [NETWORK, RECURRENT, ATTENTION])
@pytest.mark.parametrize("decay_on", ["weights", "weights and biases", "everything"])
def test_what_is_spared_and_what_alone_decays_make_up_the_whole(arrays, decay_on):
    for part in regularisers.parts(arrays):
        alone = decayed(arrays, part)
        assert alone
        assert decayed(arrays, decay_on, part) == decayed(arrays, decay_on) - alone


@pytest.mark.parametrize(
    "decay_on", ["weights", "weights and biases", "everything", "all but the output layer", "first layer", "output layer"]
)
def test_the_one_layer_of_a_linear_model_decays_where_a_layer_does(decay_on):
    factors = regularisers.decay_factors({"output": ("weight", "bias")}, decay_on)
    assert factors["output"] == {"weight": 1.0, "bias": float(decay_on in ("weights and biases", "everything"))}


def test_an_unknown_choice_of_what_decays_is_refused():
    with pytest.raises(ValueError, match=r"decay_on is 'gates'; it must be one of weights, .*all but the output layer"):
        regularisers.decay_factors(NETWORK, "gates")
    with pytest.raises(ValueError, match=r"spare is 'gates'; it must be none or one of first layer, "):
        regularisers.decay_factors(NETWORK, "weights", "gates")


@quick
@given(st.floats(0, 100), st.sampled_from(DECAY_ON))
def test_the_penalty_is_half_the_decay_times_the_squares_of_what_decays(decay, decay_on):
    rng = np.random.default_rng(1)
    params = {layer: {leaf: rng.normal(size=3).astype("float32") for leaf in leaves} for layer, leaves in NETWORK.items()}
    factors = regularisers.decay_factors(params, decay_on)
    squares = sum(np.sum(a.astype(float) ** 2) for layer in params for leaf, a in params[layer].items() if factors[layer][leaf])
    assert float(regularisers.penalty(params, factors, decay)) == pytest.approx(0.5 * decay * squares, rel=1e-5)


def test_the_gradient_of_the_penalty_is_the_decay_times_the_weight():
    params, factors = {"a": {"weight": X[0], "bias": X[1]}}, {"a": {"weight": 1.0, "bias": 0.0}}
    gradient = jax.grad(lambda p: regularisers.penalty(p, factors, 0.3))(params)["a"]
    np.testing.assert_allclose(gradient["weight"], 0.3 * X[0], rtol=1e-6)
    assert not np.any(gradient["bias"])


# L1


@quick
@given(st.floats(-10, 10, width=32), st.floats(0, 5, width=32))
def test_the_soft_threshold_minimises_distance_plus_l1(x, amount):
    got = float(regularisers.soft_threshold(jnp.float32(x), amount))
    candidates = np.append(np.linspace(-10, 10, 4001), 0)
    best = candidates[np.argmin(0.5 * (candidates - x) ** 2 + amount * np.abs(candidates))]
    assert got == pytest.approx(best, abs=5e-3)
    if abs(abs(x) - amount) > 1e-6:
        assert (got == 0) == (abs(x) < amount)


def test_the_soft_threshold_by_zero_changes_nothing():
    np.testing.assert_array_equal(regularisers.soft_threshold(X, 0.0), X)


# Dropout and noise


def test_dropout_zeroes_a_share_and_keeps_the_mean():
    for rate in (0.1, 0.5, 0.9):
        kept = np.asarray(regularisers.dropout(KEY, jnp.ones(X.shape), rate))
        share = np.mean(kept == 0)
        error = np.sqrt(rate * (1 - rate) / X.size)
        assert share == pytest.approx(rate, abs=4 * error)
        np.testing.assert_allclose(kept[kept != 0], 1 / (1 - rate), rtol=1e-6)
        assert kept.mean() == pytest.approx(1, abs=4 * error / (1 - rate))


def test_dropout_at_its_ends():
    np.testing.assert_array_equal(regularisers.dropout(KEY, X, 0.0), X)
    gradient = jax.grad(lambda x: jnp.sum(regularisers.dropout(KEY, x, 1.0)))(X)
    assert np.isfinite(gradient).all()


def test_dropout_draws_afresh_for_each_key():
    assert np.any(regularisers.dropout(KEY, X, 0.5) != regularisers.dropout(jax.random.key(1), X, 0.5))


def test_input_noise_has_its_spread_and_no_mean():
    added = np.asarray(regularisers.input_noise(KEY, X, 0.7)) - X
    assert added.std() == pytest.approx(0.7, rel=4 / np.sqrt(2 * X.size))
    assert abs(added.mean()) < 4 * 0.7 / np.sqrt(X.size)
    np.testing.assert_array_equal(regularisers.input_noise(KEY, X, 0.0), X)


# Label smoothing


@quick
@given(st.floats(0, 0.9), st.integers(2, 10))
def test_smoothed_labels_mix_with_the_uniform_distribution(amount, classes):
    smoothed = np.asarray(regularisers.smooth_labels(jnp.eye(classes), amount))
    np.testing.assert_allclose(smoothed, (1 - amount) * np.eye(classes) + amount / classes, atol=1e-6)
    np.testing.assert_allclose(smoothed.sum(1), 1, atol=1e-5)


def test_smoothing_by_zero_changes_nothing():
    np.testing.assert_array_equal(regularisers.smooth_labels(jnp.eye(3), 0.0), np.eye(3))


def uniforms(count: int = 40, units: int = 5000) -> np.ndarray:
    """(keys, units) numbers of keys as the kernel makes them: one fold per step."""
    base = jax.random.key(7, impl="rbg")
    return np.stack([np.asarray(regularisers.hashed_uniform(jax.random.fold_in(base, t), (units,))) for t in range(count)]).astype(
        np.float64
    )


def test_hashed_numbers_are_uniform_and_independent_between_units_steps_and_neighbours():
    u = uniforms()
    assert u.min() >= 0
    assert u.max() < 1
    counts = np.histogram(u, 100, (0, 1))[0]
    assert scipy.stats.chisquare(counts).pvalue > 1e-4
    z = (u - 0.5) * np.sqrt(12)
    limit = 5 / np.sqrt(z.size)
    assert abs(z.mean()) < limit
    for a, b in ((z[:, 1:], z[:, :-1]), (z[1:], z[:-1]), (z[:, 64:], z[:, :-64]), (z[1:, 1:], z[:-1, :-1])):
        assert abs((a * b).mean()) < 1.1 * limit
    between_steps = np.corrcoef(z)[np.triu_indices(len(z), 1)]
    assert abs(between_steps).max() < 5.5 / np.sqrt(z.shape[1])


def lowbias32(x: int) -> int:
    """Wellons's mixer as published, in integers that do not overflow."""
    x ^= x >> 16
    x = x * 0x7FEB352D % 2**32
    x ^= x >> 15
    x = x * 0x846CA68B % 2**32
    return x ^ x >> 16


def test_hashed_numbers_are_two_rounds_of_the_published_mixer_over_place_and_key():
    for seed in (0, 7):
        key = jax.random.key(seed, impl="rbg")
        words = [int(word) for word in jax.random.key_data(jax.random.fold_in(key, 3)).ravel()]
        rounds = [lowbias32(lowbias32((place * 0x9E3779B9 + words[0]) % 2**32) ^ words[-1]) for place in range(300)]
        drawn = regularisers.hashed_uniform(jax.random.fold_in(key, 3), (3, 100))
        np.testing.assert_array_equal(np.asarray(drawn, np.float64).ravel(), [(bits >> 8) / 2**24 for bits in rounds])


def test_the_two_layers_of_a_step_draw_different_masks():
    key = jax.random.key(3, impl="rbg")
    x = jnp.ones((64, 64))
    masks = [np.asarray(regularisers.dropout(jax.random.fold_in(key, i), x, 0.5)) for i in (0, 1)]
    assert 0.4 < (masks[0] == masks[1]).mean() < 0.6
