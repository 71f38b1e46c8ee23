"""Truth tests: the kernel against closed forms and scikit-learn, in float64. T-numbers are those of the project's list of facts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from sklearn.linear_model import Lasso, LogisticRegression, Ridge

from tests.helpers import forward, random_data
from wdviz import models, optimisers, regularisers
from wdviz.models import layers
from wdviz.program import Hyperparameters, Program
from wdviz.results import History
from wdviz.training import example_loss, train

N, D = 40, 4
LINEAR = Program(
    "regression", D, 1, n_train=N, n_validation=5, n_test=5, hidden=(), optimiser="sgd", decay_kind="coupled", schedule="constant",
    batch_size=N, film=True, checkpoints=30, precision="float64",
)  # fmt: skip
DECAYS = (0.01, 0.1, 1.0)


@pytest.fixture(autouse=True, scope="module")
def float64() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def centred() -> dict[str, Any]:
    """Data without means, so that the bias, which does not decay, stays at zero."""
    data = random_data(LINEAR)
    return data | {name: data[name] - data[name].mean(0) for name in ("x_train", "y_train")}


def weight(history: History) -> np.ndarray:
    return history.params["output"]["weight"][:, 0]


# Ridge: T1, T2, T17


@pytest.mark.parametrize("decay", [0.0, *DECAYS])
def test_gradient_descent_with_l2_follows_the_ridge_formula_at_each_step(decay):  # T1
    data, rate = centred(), 0.3
    x, y = data["x_train"], data["y_train"]
    h, directions = np.linalg.eigh(x.T @ x / N)
    target = directions.T @ (x.T @ y / N) / (h + decay)

    history = train(LINEAR, Hyperparameters(decay=decay, learning_rate=rate, steps=400), data)

    assert history.film_params is not None
    along = history.film_params["output"]["weight"][:, :, 0] @ directions  # (K, D)
    grown = 1 - (1 - rate * (h + decay)) ** history.steps[:, None]
    assert np.ptp(grown[1]) > 0.05  # the directions grow at different speeds, or the test would see only one
    np.testing.assert_allclose(along, grown * target, atol=1e-10)
    np.testing.assert_allclose(weight(history), np.linalg.solve(x.T @ x / N + decay * np.eye(D), x.T @ y / N), atol=1e-10)
    np.testing.assert_allclose(history.params["output"]["bias"], 0, atol=1e-12)


@pytest.mark.parametrize("decay", DECAYS)
def test_the_linear_model_is_ridge_regression_with_an_unpenalised_bias(decay):  # T2
    data = random_data(LINEAR)
    history = train(LINEAR, Hyperparameters(decay=decay, learning_rate=0.3, steps=3000), data)
    ridge = Ridge(alpha=N * decay, solver="svd").fit(data["x_train"], data["y_train"])
    assert abs(ridge.intercept_) > 0.1
    np.testing.assert_allclose(weight(history), ridge.coef_, atol=1e-8)
    np.testing.assert_allclose(history.params["output"]["bias"], ridge.intercept_, atol=1e-8)


@pytest.mark.parametrize("decay_on", ["weights", "weights and biases"])
def test_plain_sgd_does_not_tell_coupled_from_decoupled(decay_on):  # T17, through the kernel
    data, hyper = random_data(LINEAR), Hyperparameters(decay=0.5, decay_on=decay_on, learning_rate=0.1, steps=60)
    coupled = train(LINEAR, hyper, data)
    decoupled = train(replace(LINEAR, decay_kind="decoupled"), hyper, data)
    assert coupled.film_params is not None
    assert decoupled.film_params is not None
    for leaf in ("weight", "bias"):
        np.testing.assert_allclose(coupled.film_params["output"][leaf], decoupled.film_params["output"][leaf], atol=1e-12)


# Logistic regression and lasso: T3, T13


@pytest.mark.parametrize("decay", [0.01, 0.3])
def test_the_linear_classifier_is_multinomial_logistic_regression(decay):  # T3
    n = 60
    program = replace(LINEAR, task="classification", outputs=3, n_train=n, batch_size=n, optimiser="momentum", film=False)
    data = random_data(program, noise=1.0)
    history = train(program, Hyperparameters(decay=decay, learning_rate=0.3, momentum=0.9, steps=2000), data)
    peer = LogisticRegression(C=1 / (decay * n), tol=1e-10, max_iter=10_000).fit(data["x_train"], data["y_train"])
    assert len(peer.classes_) == 3
    np.testing.assert_allclose(history.params["output"]["weight"].T, peer.coef_, atol=1e-5)
    np.testing.assert_allclose(history.params["output"]["bias"], peer.intercept_ - peer.intercept_.mean(), atol=1e-5)


def test_l1_is_the_lasso_which_thresholds_softly_where_inputs_are_orthonormal():  # T13
    data, strength = centred(), 0.3
    x = np.linalg.qr(data["x_train"])[0] * np.sqrt(N)
    y = x @ np.array([1.0, -0.5, 0.2, -0.1]) + 0.3 * data["y_train"]
    data |= {"x_train": x, "y_train": y - y.mean()}
    np.testing.assert_allclose(x.T @ x / N, np.eye(D), atol=1e-12)

    history = train(replace(LINEAR, regularisers=("l1",), film=False), Hyperparameters(l1=strength, learning_rate=0.5, steps=300), data)

    least_squares = x.T @ data["y_train"] / N
    thresholded = np.sign(least_squares) * np.maximum(np.abs(least_squares) - strength, 0)
    assert 0 < np.count_nonzero(thresholded) < D
    np.testing.assert_allclose(weight(history), thresholded, atol=1e-8)
    np.testing.assert_array_equal(weight(history) == 0, thresholded == 0)  # exactly zero, not nearly
    np.testing.assert_allclose(weight(history), Lasso(alpha=strength, tol=1e-12).fit(x, data["y_train"]).coef_, atol=1e-8)


# Coupled and decoupled decay: T6, T7, T8, T17

Loss = Callable[[Any], jax.Array]


def descend(optimiser: optax.GradientTransformation, loss: Loss, params: Any, steps: int) -> Any:
    """Parameters after each step, with a leading `steps`."""

    def step(carry: tuple[Any, Any], _: None) -> tuple[tuple[Any, Any], Any]:
        params, state = carry
        update, state = optimiser.update(jax.grad(loss)(params), state, params)
        params = optax.apply_updates(params, update)
        return (params, state), params

    return jax.jit(lambda p: jax.lax.scan(step, (p, optimiser.init(p)), None, steps)[1])(params)


def classifier() -> tuple[Any, Any, Loss]:
    """Weights and bias of a small softmax regression, the factors that spare the bias, and the loss."""
    rng = np.random.default_rng(3)
    x, y = jnp.asarray(rng.normal(size=(30, D))), jnp.asarray(rng.integers(0, 3, 30))
    params = {"weight": jnp.asarray(rng.normal(size=(D, 3))), "bias": jnp.asarray(rng.normal(size=3))}

    def loss(p: Any) -> jax.Array:
        return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(layers.dense(p, x), y))

    return params, {"weight": 1.0, "bias": 0.0}, loss


def gap(a: Any, b: Any) -> float:
    return max(float(np.max(np.abs(np.asarray(x) - np.asarray(y)))) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))


@pytest.mark.parametrize("name", ["sgd", "momentum", "adam"])
def test_coupled_decay_is_the_optimiser_on_the_penalised_loss(name):  # T6
    params, factors, loss = classifier()
    decay, rate = 0.3, 0.05
    peer = {"sgd": optax.sgd(rate), "momentum": optax.sgd(rate, momentum=0.9), "adam": optax.adam(rate)}[name]

    coupled = descend(optimisers.make(name, "coupled", learning_rate=rate, decay=decay, factors=factors), loss, params, 40)
    penalised = descend(peer, lambda p: loss(p) + decay / 2 * jnp.sum(p["weight"] ** 2), params, 40)
    decoupled = descend(optimisers.make(name, "decoupled", learning_rate=rate, decay=decay, factors=factors), loss, params, 40)

    assert gap(coupled, penalised) < 1e-12
    if name == "sgd":
        assert gap(coupled, decoupled) < 1e-12
    else:
        assert gap(coupled, decoupled) > 1e-2  # L2 is not SGDW, and Adam with L2 is not AdamW


def test_decoupled_decay_is_adamw_and_sgdw():
    params, factors, loss = classifier()
    adamw = optax.adamw(0.05, weight_decay=0.3, mask={"weight": True, "bias": False})
    sgdw = optax.chain(optax.trace(0.9), optax.masked(optax.add_decayed_weights(0.3), {"weight": True, "bias": False}), optax.scale(-0.05))
    for name, peer in (("adam", adamw), ("momentum", sgdw)):
        ours = descend(optimisers.make(name, "decoupled", learning_rate=0.05, decay=0.3, factors=factors), loss, params, 40)
        assert gap(ours, descend(peer, loss, params, 40)) < 1e-12


def test_plain_sgd_with_l2_is_sgdw_with_the_decay_times_the_learning_rate():  # T17, by the paper's formula
    params, _, loss = classifier()
    rate, decay = 0.1, 0.4
    ours = descend(optimisers.make("sgd", "coupled", learning_rate=rate, decay=decay), loss, params, 30)
    gradient, w, decay_in_the_paper = jax.jit(jax.grad(loss)), jax.tree.map(np.asarray, params), rate * decay
    for _ in range(30):
        w = jax.tree.map(lambda p, g: p - rate * np.asarray(g) - decay_in_the_paper * p, w, gradient(w))
    assert gap(jax.tree.map(lambda a: a[-1], ours), w) < 1e-12


@pytest.mark.parametrize("name", ["sgd", "momentum", "adam"])
def test_without_gradient_decoupled_decay_shrinks_by_the_same_share_each_step(name):  # T7
    start = jnp.asarray([0.001, -1.0, 300.0], "float32")
    path = descend(optimisers.make(name, "decoupled", learning_rate=0.01, decay=0.5), lambda p: 0.0 * jnp.sum(p), start, 100)
    np.testing.assert_allclose(np.asarray(path)[-1] / np.asarray(start), 0.995**100, rtol=1e-6)


def test_without_gradient_adam_with_l2_first_steps_by_the_learning_rate_whatever_the_weight():  # T8
    start = np.array([1e-3, -0.1, 7.0, -400.0, 0.0])
    for decay in (0.1, 10.0):
        path = descend(
            optimisers.make("adam", "coupled", learning_rate=0.01, decay=decay), lambda p: 0.0 * jnp.sum(p), jnp.asarray(start), 1
        )
        np.testing.assert_allclose(np.asarray(path)[0] - start, -0.01 * np.sign(start), rtol=2e-4)  # up to Adam's eps


# Scale-invariant weights: T10, T16

HIDDEN = 8


def normalised_network() -> tuple[Any, Callable[[Any], jax.Array], Loss]:
    """A network whose first weights stand before a batch norm without eps: parameters, logits and loss."""
    rng = np.random.default_rng(5)
    x, y = jnp.asarray(rng.normal(size=(30, D))), jnp.asarray(rng.integers(0, 3, 30))
    norm, state = layers.batch_norm_init(HIDDEN, "float64")
    params = {
        "w1": jnp.asarray(rng.normal(size=(D, HIDDEN))),
        "norm": norm,
        "out": layers.dense_init(jax.random.key(0), HIDDEN, 3, 1.0, "float64"),
    }

    def logits(p: Any) -> jax.Array:
        z, _ = layers.batch_norm(p["norm"], state, x @ p["w1"], jnp.ones(len(x)), eps=0.0)
        return layers.dense(p["out"], jax.nn.relu(z))

    return params, logits, lambda p: jnp.mean(optax.softmax_cross_entropy_with_integer_labels(logits(p), y))


def test_the_gradient_is_orthogonal_to_scale_invariant_weights():  # T16
    params, logits, loss = normalised_network()
    gradient, w1 = np.asarray(jax.jit(jax.grad(loss))(params)["w1"]), np.asarray(params["w1"])
    assert np.linalg.norm(gradient) > 1e-2
    np.testing.assert_allclose(np.sum(gradient * w1, 0), 0, atol=1e-10)
    logits = jax.jit(logits)
    np.testing.assert_allclose(logits(params | {"w1": 7.0 * w1}), logits(params), atol=1e-10)


def test_before_batch_norm_scaled_weights_learn_alike_with_rate_and_decay_rescaled():  # T10
    params, logits, loss = normalised_network()
    rate, decay, c = 0.5, 0.1, 3.0

    def outputs(params: Any, rate: float, decay: float) -> jax.Array:
        first = optimisers.make("sgd", "coupled", learning_rate=rate, decay=decay)
        rest = optimisers.make("sgd", "coupled", learning_rate=0.05)
        labels = {"w1": "first", "norm": "rest", "out": "rest"}
        return jax.jit(jax.vmap(logits))(descend(optax.partition({"first": first, "rest": rest}, labels), loss, params, 50))

    scaled = params | {"w1": c * params["w1"]}
    plain = outputs(params, rate, decay)
    np.testing.assert_allclose(outputs(scaled, c**2 * rate, decay / c**2), plain, atol=1e-9)
    assert gap(outputs(scaled, c**2 * rate, decay), plain) > 1e-2  # the decay matters here: it sets the effective learning rate


# Noise as a penalty: T15


@pytest.mark.parametrize("kind", ["input noise", "dropout"])
def test_noise_on_a_linear_model_is_ridge_on_average(kind):  # T15
    amount, draws = 0.6, 20_000
    data = centred()
    x, y = jnp.asarray(data["x_train"]), jnp.asarray(data["y_train"])
    w = np.array([1.0, -0.5, 0.8, 0.3])
    params = {"output": {"weight": jnp.asarray(w[:, None]), "bias": jnp.zeros(1)}}
    disturb = {"input noise": regularisers.input_noise, "dropout": regularisers.dropout}[kind]
    strength = amount**2 if kind == "input noise" else amount / (1 - amount) * np.mean(data["x_train"] ** 2, 0)

    def loss(params: Any, x: jax.Array) -> jax.Array:
        return jnp.mean(example_loss(LINEAR, models.apply(LINEAR, params, {}, x)[0], y))

    def noisy(key: jax.Array) -> Any:
        return jax.value_and_grad(loss)(params, disturb(key, x, amount))

    values, gradients = jax.jit(jax.vmap(noisy))(jax.random.split(jax.random.key(1), draws))
    value, gradient = jax.jit(jax.value_and_grad(loss))(params, x)
    np.testing.assert_allclose(np.mean(values) - value, np.sum(strength * w**2) / 2, rtol=0.01)
    extra = np.mean(gradients["output"]["weight"], 0)[:, 0] - np.asarray(gradient["output"]["weight"])[:, 0]
    assert np.linalg.norm(extra - strength * w) < 0.01 * np.linalg.norm(strength * w)


def test_the_kernel_and_numpy_agree_on_the_loss_of_the_ridge_solution():
    data = random_data(LINEAR)
    history = train(LINEAR, Hyperparameters(decay=0.1, learning_rate=0.3, steps=500), data)
    for split in ("train", "validation", "test"):
        residual = forward(history.params, data[f"x_{split}"])[:, 0] - data[f"y_{split}"]
        np.testing.assert_allclose(history.loss(split), np.mean(residual**2) / 2, rtol=1e-12)
