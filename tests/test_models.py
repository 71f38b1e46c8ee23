"""Tests of the layers and the network against Equinox and NumPy: outputs, gradients, running statistics, starts."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.helpers import forward
from wdviz import models, regularisers
from wdviz.models import layers
from wdviz.program import Program
from wdviz.settings import SPECS
from wdviz.specs import Choice

rng = np.random.default_rng(0)
X: Any = rng.normal(2.0, 3.0, size=(24, 5)).astype("float32")  # batches with a mean and spread of their own
UP: Any = rng.normal(size=(24, 5)).astype("float32")  # what the outputs are weighted by before the gradient is taken
NETWORK = Program("classification", inputs=5, outputs=3, n_train=24, n_validation=4, n_test=4, hidden=(8, 6))


def test_dense_is_equinox_linear_with_its_gradients():
    peer = eqx.nn.Linear(5, 5, key=jax.random.key(1))
    assert peer.bias is not None
    params = {"weight": peer.weight.T, "bias": peer.bias}

    def ours(params: Any, x: Any) -> jax.Array:
        return jnp.sum(layers.dense(params, x) * UP)

    def theirs(peer: eqx.nn.Linear, x: Any) -> jax.Array:
        return jnp.sum(jax.vmap(peer)(x) * UP)

    np.testing.assert_allclose(layers.dense(params, X), jax.vmap(peer)(X), rtol=1e-5, atol=1e-5)
    gradient, gradient_x = jax.grad(ours, (0, 1))(params, X)
    expected = eqx.filter_grad(theirs)(peer, X)
    np.testing.assert_allclose(gradient["weight"], expected.weight.T, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(gradient["bias"], expected.bias, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(gradient_x, jax.grad(theirs, 1)(peer, X), rtol=1e-4, atol=1e-5)


def test_activations_are_their_formulas_with_their_slopes():
    x = np.linspace(-4, 4, 41)[np.arange(41) != 20]  # without 0, where ReLU has no slope
    formulas = {
        "relu": lambda z: max(z, 0.0),
        "tanh": math.tanh,
        "gelu": lambda z: 0.5 * z * (1 + math.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3))),
        "sigmoid": lambda z: 1 / (1 + math.exp(-z)),
    }
    spec = SPECS["activation"]
    assert isinstance(spec, Choice)
    assert set(layers.ACTIVATIONS) == set(spec.options) == set(formulas)
    for name, formula in formulas.items():
        value, slope = jax.vmap(jax.value_and_grad(layers.ACTIVATIONS[name]))(jnp.asarray(x, "float32"))
        np.testing.assert_allclose(value, [formula(z) for z in x], atol=1e-6)
        np.testing.assert_allclose(slope, [(formula(z + 1e-6) - formula(z - 1e-6)) / 2e-6 for z in x], atol=1e-5)


# Batch normalisation


def equinox_norm(scale: np.ndarray, shift: np.ndarray) -> tuple[Any, Any]:
    norm, state = eqx.nn.make_with_state(eqx.nn.BatchNorm)(5, "batch", momentum=0.9, mode="batch")
    # Equinox 0.13 gathers the variance from 1 but divides as if from 0, which biases it for the first steps; from 0 it is unbiased.
    assert norm.batch_state_index is not None
    state = state.set(norm.batch_state_index, (jnp.zeros(5), jnp.zeros(5)))
    return eqx.tree_at(lambda n: (n.weight, n.bias), norm, (jnp.asarray(scale), jnp.asarray(shift))), state


def over_batch(norm: Any) -> Any:
    return jax.vmap(norm, in_axes=(0, None), out_axes=(0, None), axis_name="batch")


def batches(count: int) -> list[Any]:
    draw = np.random.default_rng(4)
    return [draw.normal(1 + i, 2, size=(16, 5)).astype("float32") for i in range(count)]


def gathered(count: int) -> tuple[Any, Any]:
    params, state = layers.batch_norm_init(5)
    for x in batches(count):
        _, state = layers.batch_norm(params, state, x, jnp.ones(len(x)))
    return params, state


@pytest.mark.parametrize("steps", [1, 10])
def test_batch_norm_is_that_of_equinox_in_training_and_evaluation(steps):
    params, state = layers.batch_norm_init(5)
    params = {"scale": jnp.asarray(UP[0]), "shift": jnp.asarray(UP[1])}
    peer, peer_state = equinox_norm(UP[0], UP[1])
    peer_step = jax.jit(over_batch(peer))
    for x in batches(steps):
        ours, state = layers.batch_norm(params, state, x, jnp.ones(len(x)))
        theirs, peer_state = peer_step(x, peer_state)
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    ours, unchanged = layers.batch_norm(params, state, X, None)
    theirs, _ = over_batch(eqx.nn.inference_mode(peer))(X, peer_state)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert unchanged is state


@pytest.mark.parametrize("steps", [1, 10])
def test_running_statistics_are_weighted_means_without_the_bias_of_their_start(steps):
    params, state = gathered(steps)
    share = 0.9 ** np.arange(steps)[::-1]
    share /= share.sum()
    mean = sum(s * x.mean(0) for s, x in zip(share, batches(steps), strict=True))
    variance = sum(s * x.var(0) for s, x in zip(share, batches(steps), strict=True))
    np.testing.assert_allclose(layers.batch_norm(params, state, X, None)[0], (X - mean) / np.sqrt(variance + 1e-5), atol=2e-5)


def test_batch_norm_before_the_first_step_leaves_its_input():
    params, state = gathered(0)
    np.testing.assert_allclose(layers.batch_norm(params, state, X, None)[0], X / np.sqrt(1 + 1e-5), rtol=1e-6)


def test_gradients_of_batch_norm_are_those_of_equinox():
    params, state = layers.batch_norm_init(5)
    peer, peer_state = equinox_norm(np.ones(5, "float32"), np.zeros(5, "float32"))

    def ours(params: Any, x: Any) -> jax.Array:
        return jnp.sum(layers.batch_norm(params, state, x, jnp.ones(len(x)))[0] * UP)

    def theirs(peer: Any, x: Any) -> jax.Array:
        return jnp.sum(over_batch(peer)(x, peer_state)[0] * UP)

    gradient, gradient_x = jax.jit(jax.grad(ours, (0, 1)))(params, X)
    expected = eqx.filter_grad(theirs)(peer, X)
    np.testing.assert_allclose(gradient["scale"], expected.weight, atol=1e-4)
    np.testing.assert_allclose(gradient["shift"], expected.bias, atol=1e-4)
    np.testing.assert_allclose(gradient_x, jax.grad(theirs, 1)(peer, X), atol=1e-5)


def test_masked_batch_norm_sees_the_valid_rows_only():
    params, state = gathered(2)
    valid = (np.arange(24) % 3 != 0).astype("float32")
    rows = valid == 1
    spoilt = np.where(rows[:, None], X, 1e3).astype("float32")  # what stands in the other rows is of no account

    def loss(x: Any, valid: Any, up: Any) -> tuple[jax.Array, Any]:
        y, new = layers.batch_norm(params, state, x, valid)
        return jnp.sum(valid[:, None] * y * up), (y, new)

    (_, (masked, new_masked)), gradient_masked = jax.value_and_grad(loss, has_aux=True)(spoilt, valid, UP)
    (_, (plain, new_plain)), gradient_plain = jax.value_and_grad(loss, has_aux=True)(X[rows], jnp.ones(rows.sum()), UP[rows])
    np.testing.assert_allclose(masked[rows], plain, atol=1e-5)
    np.testing.assert_allclose(gradient_masked[rows], gradient_plain, atol=1e-5)
    assert not np.any(gradient_masked[~rows])
    for name, value in new_plain.items():
        np.testing.assert_allclose(new_masked[name], value, rtol=1e-5)


# Dropout


def test_dropout_is_that_of_equinox_with_its_gradients():
    """The masks are drawn another way, so where both keep a place they must agree, and each must drop the share it is asked for."""
    x = jnp.asarray(np.random.default_rng(0).normal(size=(200, 100)) + 3)
    for rate in (0.0, 0.3, 0.9):
        ours, slope = jax.value_and_grad(lambda x, r=rate: jnp.sum(regularisers.dropout(jax.random.key(3), x, r)))(x)
        peer, peer_slope = jax.value_and_grad(lambda x, r=rate: jnp.sum(eqx.nn.Dropout(r)(x, key=jax.random.key(4))))(x)
        kept, peer_kept = np.asarray(slope) > 0, np.asarray(peer_slope) > 0
        assert (kept & peer_kept).any()
        np.testing.assert_allclose(slope[kept & peer_kept], peer_slope[kept & peer_kept], rtol=1e-6)
        values = np.asarray(regularisers.dropout(jax.random.key(3), x, rate))
        np.testing.assert_allclose(values, np.where(kept, x, 0) * np.asarray(slope), rtol=1e-6)
        assert float(ours) == pytest.approx(float(peer), rel=0.1)
        assert abs(kept.mean() - (1 - rate)) <= 5 * np.sqrt(rate * (1 - rate) / kept.size)


def test_layers_start_with_the_spread_their_activation_needs_and_no_bias():
    for activation, gain in (("relu", 2.0), ("tanh", 1.0), ("gelu", 1.0), ("sigmoid", 1.0)):
        program = replace(NETWORK, inputs=300, hidden=(400, 200), activation=activation)
        params, state = models.init(program, jax.random.key(0))
        for name, n_in in zip(("layer1", "layer2", "output"), (300, 400, 200), strict=True):
            weight = np.asarray(params[name]["weight"])
            tolerance = 4 / math.sqrt(2 * weight.size)  # four standard errors of a standard deviation
            assert weight.std() == pytest.approx(math.sqrt(gain / n_in), rel=tolerance)
            assert abs(weight.mean()) < 4 * weight.std() / math.sqrt(weight.size)
            assert not np.any(params[name]["bias"])
        assert state == {}


def test_layers_start_different_from_each_other_and_from_other_seeds():
    program = replace(NETWORK, inputs=6, hidden=(6, 6))
    params, _ = models.init(program, jax.random.key(0))
    other, _ = models.init(program, jax.random.key(1))
    starts = [np.asarray(tree[name]["weight"]) for tree in (params, other) for name in ("layer1", "layer2")]
    assert len({start.tobytes() for start in starts}) == 4


def test_the_linear_model_starts_at_zero():
    params, _ = models.init(replace(NETWORK, hidden=()), jax.random.key(0))
    assert list(params) == ["output"]
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(params))


def test_the_network_is_that_of_numpy_and_of_equinox():
    params, state = models.init(NETWORK, jax.random.key(0))
    params = jax.tree.map(lambda p: p + 0.1, params)
    output, _ = models.apply(NETWORK, params, state, X)
    np.testing.assert_allclose(output, forward(params, X), rtol=1e-4, atol=1e-4)

    peer = eqx.nn.MLP(5, 3, 8, 2, activation=jax.nn.relu, key=jax.random.key(0))
    wide = replace(NETWORK, hidden=(8, 8))
    names = models.layer_names(wide)
    params = {name: {"weight": layer.weight.T, "bias": layer.bias} for name, layer in zip(names, peer.layers, strict=True)}
    np.testing.assert_allclose(models.apply(wide, params, {}, X)[0], jax.vmap(peer)(X), rtol=1e-4, atol=1e-5)


def test_dropout_acts_in_training_only_and_differs_from_layer_to_layer():
    program = replace(NETWORK, hidden=(5, 5), regularisers=("dropout",))
    identity = {"weight": jnp.eye(5), "bias": jnp.zeros(5)}
    params = {"layer1": identity, "layer2": identity, "output": identity}
    x, key = jnp.ones((200, 5)), jax.random.key(0)
    np.testing.assert_array_equal(models.apply(program, params, {}, x, dropout=0.5)[0], x)
    np.testing.assert_array_equal(models.apply(program, params, {}, x, key=key, dropout=0.5)[0], x)
    output, _ = models.apply(program, params, {}, x, valid=jnp.ones(200), key=key, dropout=0.5)
    assert set(np.unique(output)) == {0, 4}
    assert np.mean(np.asarray(output) == 4) == pytest.approx(0.25, abs=0.06)  # .5 if both layers dropped the same units


def test_batch_norm_stands_before_the_activation_and_not_after_the_output():
    program = replace(NETWORK, regularisers=("batch norm",))
    params, state = models.init(program, jax.random.key(0))
    assert {name: set(layer) for name, layer in params.items()} == {
        "layer1": {"weight", "bias", "scale", "shift"},
        "layer2": {"weight", "bias", "scale", "shift"},
        "output": {"weight", "bias"},
    }
    assert set(state) == {"layer1", "layer2"}
    output, new = models.apply(program, params, state, X, valid=jnp.ones(24))
    z = X
    for name in ("layer1", "layer2"):
        z = z @ np.asarray(params[name]["weight"])
        z = np.maximum((z - z.mean(0)) / np.sqrt(z.var(0) + 1e-5), 0)
    np.testing.assert_allclose(output, z @ np.asarray(params["output"]["weight"]), atol=1e-4)
    assert float(new["layer1"]["weight"]) == pytest.approx(0.1)
    assert not np.any(state["layer1"]["weight"])  # the old statistics are left as they were
