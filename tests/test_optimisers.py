"""Tests of the optimisers: each chain against the formulas in NumPy, what decays, and the schedules."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wdviz import optimisers
from wdviz.settings import SPECS, Settings, half_life, shrink_per_step
from wdviz.specs import Choice

NAMES, KINDS, STEPS = ("sgd", "momentum", "adam"), ("coupled", "decoupled"), 12
RATE, DECAY, MOMENTUM = 0.07, 0.4, 0.8


def start_and_gradients(dtype: str) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Parameters, and for each step a gradient that does not depend on them."""
    rng = np.random.default_rng(11)
    shapes = {"weight": (3, 2), "bias": (2,)}
    start = {leaf: rng.normal(size=shape).astype(dtype) for leaf, shape in shapes.items()}
    return start, {leaf: rng.normal(size=(STEPS, *shape)).astype(dtype) for leaf, shape in shapes.items()}


def follow(optimiser: optax.GradientTransformation, start: Any, gradients: Any) -> Any:
    """Parameters after each step."""

    def step(carry: tuple[Any, Any], gradient: Any) -> tuple[tuple[Any, Any], Any]:
        params, state = carry
        update, state = optimiser.update(gradient, state, params)
        params = optax.apply_updates(params, update)
        return (params, state), params

    return jax.tree.map(np.asarray, jax.jit(lambda p, g: jax.lax.scan(step, (p, optimiser.init(p)), g)[1])(start, gradients))


def by_the_formulas(name: str, kind: str, w: np.ndarray, gradients: np.ndarray, decay: float, l1: float) -> np.ndarray:
    """The same steps in plain NumPy (float64), as Loshchilov & Hutter write them."""
    w, path = w.astype(np.float64), []
    m, v = np.zeros_like(w), np.zeros_like(w)
    for t, g in enumerate(gradients.astype(np.float64), start=1):
        if kind == "coupled":
            g = g + decay * w
        if name == "sgd":
            direction = g
        elif name == "momentum":
            m = MOMENTUM * m + g
            direction = m
        else:
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
            direction = (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        w = w - RATE * direction - (RATE * decay * w if kind == "decoupled" else 0)
        w = np.sign(w) * np.maximum(np.abs(w) - RATE * l1, 0)
        path.append(w)
    return np.stack(path)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-10)])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_steps_follow_the_formulas_and_spare_what_they_should(name, kind, dtype, tolerance):
    with jax.enable_x64(True):
        start, gradients = start_and_gradients(dtype)
        optimiser = optimisers.make(name, kind, learning_rate=RATE, decay=DECAY, momentum=MOMENTUM, factors={"weight": 1.0, "bias": 0.0})
        path = follow(optimiser, start, gradients)
    for leaf, decay in (("weight", DECAY), ("bias", 0.0)):
        assert path[leaf].dtype == dtype
        np.testing.assert_allclose(path[leaf], by_the_formulas(name, kind, start[leaf], gradients[leaf], decay, 0.0), atol=tolerance)
    assert np.abs(path["weight"][-1] - by_the_formulas(name, kind, start["weight"], gradients["weight"], 0.0, 0.0)[-1]).max() > 0.05


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_l1_thresholds_after_each_step_what_decays_and_nothing_else(name, kind):
    start, gradients = start_and_gradients("float32")
    optimiser = optimisers.make(
        name, kind, learning_rate=RATE, decay=DECAY, momentum=MOMENTUM, l1=3.0, factors={"weight": 1.0, "bias": 0.0}
    )
    path = follow(optimiser, start, gradients)
    assert np.any(path["weight"] == 0)
    for leaf, on in (("weight", 1.0), ("bias", 0.0)):
        expected = by_the_formulas(name, kind, start[leaf], gradients[leaf], on * DECAY, on * 3.0)
        np.testing.assert_allclose(path[leaf], expected, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_amount_zero_and_factor_zero_change_nothing(name):
    start, gradients = start_and_gradients("float32")
    peer = {"sgd": optax.sgd(RATE), "momentum": optax.sgd(RATE, momentum=MOMENTUM), "adam": optax.adam(RATE)}[name]
    plain = follow(peer, start, gradients)
    spared = {"weight": 0.0, "bias": 0.0}
    for kind in KINDS:
        for options in ({"decay": 0.0}, {"decay": 0.0, "l1": 0.0}, {"decay": 5.0, "l1": 5.0, "factors": spared}):
            path = follow(optimisers.make(name, kind, learning_rate=RATE, momentum=MOMENTUM, **options), start, gradients)
            for leaf in start:
                np.testing.assert_allclose(path[leaf], plain[leaf], atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_without_amounts_it_is_the_plain_optimiser_with_the_usual_momentum(name):
    start, gradients = start_and_gradients("float32")
    peer = {"sgd": optax.sgd(RATE), "momentum": optax.sgd(RATE, momentum=0.9), "adam": optax.adam(RATE)}[name]
    path, plain = (follow(optimiser, start, gradients) for optimiser in (optimisers.make(name, "coupled", learning_rate=RATE), peer))
    for leaf in start:
        np.testing.assert_allclose(path[leaf], plain[leaf], atol=1e-6)


def test_without_factors_everything_decays():
    start, gradients = start_and_gradients("float32")
    still = jax.tree.map(np.zeros_like, gradients)
    path = follow(optimisers.make("sgd", "decoupled", learning_rate=RATE, decay=DECAY), start, still)
    for leaf in start:
        np.testing.assert_allclose(path[leaf][-1], start[leaf] * (1 - RATE * DECAY) ** STEPS, rtol=1e-5)


@pytest.mark.parametrize(("name", "kind"), [("sgd", "coupled"), ("sgd", "decoupled"), ("momentum", "decoupled"), ("adam", "decoupled")])
def test_decay_alone_shrinks_by_what_the_settings_say(name, kind):
    chosen = Settings(optimiser=name, decay_kind=kind, learning_rate=0.1, decay=0.5)
    shrink = shrink_per_step(chosen)
    assert shrink is not None
    path = follow(optimisers.make(name, kind, learning_rate=0.1, decay=0.5), np.ones(2, "float32"), np.zeros((40, 2), "float32"))
    np.testing.assert_allclose(path[:, 0], (1 - shrink) ** np.arange(1, 41), rtol=1e-5)
    halved = int(np.argmax(path[:, 0] <= 0.5)) + 1
    assert halved == np.ceil(half_life(shrink))


def test_coupled_decay_with_momentum_shrinks_in_the_end_by_what_the_settings_say():
    chosen = Settings(optimiser="momentum", decay_kind="coupled", learning_rate=0.01, decay=0.01, momentum=0.9)
    optimiser = optimisers.make("momentum", "coupled", learning_rate=0.01, decay=0.01, momentum=0.9)
    with jax.enable_x64(True):
        path = follow(optimiser, np.ones(1), np.zeros((300, 1)))[:, 0]
    assert 1 - path[-1] / path[-2] == pytest.approx(shrink_per_step(chosen), rel=0.02)


def test_the_chains_cover_every_option_of_the_settings():
    for name, options in (("optimiser", NAMES), ("decay_kind", (*KINDS, "independent")), ("schedule", ("constant", "cosine", "warm-up"))):
        spec = SPECS[name]
        assert isinstance(spec, Choice)
        assert set(spec.options) == set(options)


# Schedules


def rates(schedule: str, peak: float, steps: int) -> np.ndarray:
    with jax.enable_x64(True):
        every = jax.vmap(lambda t: optimisers.learning_rate(schedule, jnp.float64(peak), t, jnp.int32(steps)))
        return np.asarray(jax.jit(every)(jnp.arange(steps, dtype="int32")))


@pytest.mark.parametrize("steps", [1, 10, 57])
def test_cosine_is_that_of_optax(steps):
    schedule = optax.cosine_decay_schedule(0.3, steps)
    np.testing.assert_allclose(rates("cosine", 0.3, steps), np.array([schedule(t) for t in range(steps)]), atol=1e-7)


@pytest.mark.parametrize("steps", [1, 9, 10, 57, 200])
def test_warm_up_rises_over_a_tenth_of_the_steps_and_falls_as_a_cosine(steps):
    rise = max(1, steps // 10)
    expected = [
        0.3 * (t + 1) / rise if t < rise else 0.3 * (1 + np.cos(np.pi * (t - rise) / max(1, steps - rise))) / 2 for t in range(steps)
    ]
    np.testing.assert_allclose(rates("warm-up", 0.3, steps), expected, rtol=1e-12)
    if steps > 10:
        rising = optax.linear_schedule(0.3 / rise, 0.3, max(1, rise - 1))
        peer = optax.join_schedules([rising, optax.cosine_decay_schedule(0.3, steps - rise)], [rise])
        np.testing.assert_allclose(rates("warm-up", 0.3, steps), np.array([peer(t) for t in range(steps)]), atol=1e-7)


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(["constant", "cosine", "warm-up"]), st.integers(1, 3000), st.floats(1e-4, 10))
def test_the_learning_rate_is_positive_and_never_above_its_peak(schedule, steps, peak):
    # Without jit and on a few steps: the number of steps is a shape here, and each would be a compilation.
    at = np.unique(np.linspace(0, steps - 1, 5).astype(int))
    values = [float(optimisers.learning_rate(schedule, jnp.float32(peak), jnp.int32(t), jnp.int32(steps))) for t in at]
    assert all(0 < value <= peak * (1 + 1e-6) for value in values)
    if schedule == "constant":
        assert all(value == np.float32(peak) for value in values)
