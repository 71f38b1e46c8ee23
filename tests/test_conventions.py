"""The code that the page prints is executed: two steps of it are two steps of `wdviz.optimisers`."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from wdviz import optimisers
from wdviz.experiments import conventions
from wdviz.settings import Settings

KINDS, OPTIMISERS, SCHEDULES = ("decoupled", "coupled", "independent"), ("adam", "momentum", "sgd"), ("constant", "cosine", "warm-up")
CASES = [
    pytest.param(Settings(decay_kind=kind, optimiser=name, schedule=schedule, decay=0.5, steps=36), id=f"{kind} {name} {schedule}")
    for kind in KINDS
    for name in OPTIMISERS
    for schedule in SCHEDULES
]
CASES += [  # warm-ups of one step and of two
    pytest.param(Settings(schedule="warm-up", optimiser=name, decay=0.5, steps=steps), id=f"{name} warm-up {steps}")
    for name in OPTIMISERS
    for steps in (10, 19, 20)
]
STEPS = 5  # across the end of the warm-up, which takes three
START = {"weight": np.array([[0.7, -1.2], [0.1, 2.0]]), "bias": np.array([0.3, -0.4])}
GRADIENTS = [{name: np.sin(np.arange(a.size) + 3 * t + 1).reshape(a.shape) for name, a in START.items()} for t in range(STEPS)]


@lru_cache
def expected(s: Settings) -> dict[str, Any]:
    """The parameters after all steps, by this project."""
    params: Any = jax.tree.map(jnp.float64, START)
    decay = s.decay / s.learning_rate if s.decay_kind == "independent" else s.decay
    state = None
    for t in range(STEPS):
        rate = optimisers.learning_rate(s.schedule, jnp.float64(s.learning_rate), jnp.int32(t), jnp.int32(s.steps))
        kind = "coupled" if s.decay_kind == "coupled" else "decoupled"
        factors = {"weight": 1.0, "bias": float(s.decay_on == "everything")}
        optimiser = optimisers.make(s.optimiser, kind, learning_rate=rate, decay=decay, factors=factors, momentum=s.momentum)
        state = optimiser.init(params) if state is None else state
        update, state = optimiser.update(jax.tree.map(jnp.float64, GRADIENTS[t]), state, params)
        params = optax.apply_updates(params, update)
    return params


def same(found: dict[str, Any], s: Settings) -> None:
    with jax.enable_x64():
        wanted = expected(s)
    for name in START:
        np.testing.assert_allclose(np.asarray(found[name]), wanted[name], rtol=1e-6, atol=1e-9)
    assert not np.allclose(found["weight"], START["weight"], atol=1e-3)


@pytest.mark.parametrize("s", [*(c.values[0] for c in CASES), Settings(decay_on="everything", decay=0.5, steps=30)])
def test_optax(s: Settings):
    scope: dict[str, Any] = {"optax": optax, "jax": jax}
    with jax.enable_x64():
        exec(conventions.code(s)["optax"], scope)
        params: Any = jax.tree.map(jnp.float64, START)
        state = scope["optimiser"].init(params)
        for gradient in GRADIENTS:
            update, state = scope["optimiser"].update(jax.tree.map(jnp.float64, gradient), state, params)
            params = optax.apply_updates(params, update)
    same(params, s)


@pytest.mark.parametrize("s", CASES)
def test_torch(s: Settings):
    torch = pytest.importorskip("torch")
    model = torch.nn.Module()
    for name, value in START.items():
        setattr(model, name, torch.nn.Parameter(torch.tensor(value)))
    scope: dict[str, Any] = {"torch": torch, "model": model}
    exec(conventions.code(s)["PyTorch"], scope)
    for gradient in GRADIENTS:
        for name, value in gradient.items():
            getattr(model, name).grad = torch.tensor(value)
        scope.get("shrink", lambda: None)()
        scope["optimiser"].step()
        if "schedule" in scope:
            scope["schedule"].step()
    same({name: getattr(model, name).detach().numpy() for name in START}, s)


@pytest.mark.parametrize("s", CASES)
def test_paper(s: Settings):
    line = conventions.code(s)["the paper"]
    weight = START["weight"].copy()
    for place in np.ndindex(*weight.shape):
        scope: dict[str, Any] = {"math": math, "w": weight[place], "m": 0.0, "v": 0.0}
        for t, gradient in enumerate(GRADIENTS):
            scope |= {"t": t, "g": gradient["weight"][place]}
            exec(line, scope)
        weight[place] = scope["w"]
    bias = expected_bias(s)
    same({"weight": weight, "bias": bias}, s)


def expected_bias(s: Settings) -> Any:
    """Biases do not decay, which the printed step of one weight does not show."""
    with jax.enable_x64():
        return expected(s)["bias"]


def test_the_numbers_are_those_of_the_page():
    printed = conventions.code(Settings(learning_rate=0.03, decay=2.0))
    assert "optax.adamw(rate, weight_decay=2, mask=decays)" in printed["optax"]
    assert "torch.optim.AdamW(groups, lr=0.03)" in printed["PyTorch"]
    assert "decay = 0.06" in printed["the paper"]
    independent = conventions.code(replace(Settings(), learning_rate=0.03, decay=0.06, decay_kind="independent"))
    assert "weight_decay=0.06 / 0.03" in independent["optax"]
    assert "decay = 0.06" in independent["the paper"]
