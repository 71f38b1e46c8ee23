"""Optimisers and schedules: one optax chain each, in which the place of the decay decides what it means."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array

from wdviz.regularisers import soft_threshold


def make(
    name: str,
    decay_kind: str,
    *,
    learning_rate: Array | float,
    decay: Array | float = 0.0,
    factors: Any = None,
    momentum: Array | float = 0.9,
    l1: Array | float | None = None,
) -> optax.GradientTransformation:
    r"""An optimiser with weight decay (Loshchilov & Hutter 2019), decay in the convention of optax and PyTorch.

    Coupled (L2):   g <- g + decay w,  w <- w - learning_rate direction(g).
    Decoupled:      w <- w - learning_rate (direction(g) + decay w), so each step shrinks w by learning_rate x decay.

    Arguments:
        name: `sgd`, `momentum` or `adam`.
        decay_kind: `coupled` or `decoupled` (SGDW, AdamW).
        factors: a tree like the parameters, 1 where an array decays and 0 where not; None decays all.
        l1: strength of a proximal L1 step of learning_rate x l1 on what `factors` names; None for none.
    """
    direction = {"sgd": optax.identity, "momentum": lambda: optax.trace(decay=momentum), "adam": optax.scale_by_adam}[name]()
    shrink = _add_decay(decay, factors)
    parts = (shrink, direction) if decay_kind == "coupled" else (direction, shrink)
    sparse = () if l1 is None else (_proximal_l1(learning_rate * l1, factors),)
    return optax.chain(*parts, optax.scale(-learning_rate), *sparse)


def learning_rate(schedule: str, peak: Array, step: Array, steps: Array) -> Array:
    """The learning rate at `step` of `steps`, counted from 0.

    `constant`; `cosine`: peak (1 + cos(pi step / steps)) / 2 (Loshchilov & Hutter 2017); `warm-up`: linear to the peak over the
    first tenth of the steps, then cosine.
    """
    if schedule == "constant":
        return peak
    step, steps = step.astype(peak.dtype), steps.astype(peak.dtype)
    if schedule == "cosine":
        return peak * _half_cosine(step / steps)
    rise = jnp.maximum(1, jnp.floor(steps / 10))
    return peak * jnp.where(step < rise, (step + 1) / rise, _half_cosine((step - rise) / jnp.maximum(1, steps - rise)))


def _half_cosine(progress: Array) -> Array:
    return 0.5 * (1 + jnp.cos(jnp.pi * progress))


def _add_decay(decay: Array | float, factors: Any) -> optax.GradientTransformation:
    """optax.add_decayed_weights with its mask as data (0 or 1 an array), so that choosing what decays compiles nothing."""

    def add(updates: Any, params: Any) -> Any:
        return jax.tree.map(lambda g, p, f: g + decay * f * p, updates, params, _or_all(factors, params))

    return optax.stateless(add)


def _proximal_l1(amount: Array | float, factors: Any) -> optax.GradientTransformation:
    def prox(updates: Any, params: Any) -> Any:
        return jax.tree.map(lambda u, p, f: soft_threshold(p + u, amount * f) - p, updates, params, _or_all(factors, params))

    return optax.stateless(prox)


def _or_all(factors: Any, params: Any) -> Any:
    return jax.tree.map(lambda p: 1.0, params) if factors is None else factors
