"""Regularisers beside the decay itself: what decays, penalties, dropout, input noise, label smoothing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

_LEAVES = {"weights": {"weight"}, "weights and biases": {"weight", "bias"}, "everything": {"weight", "bias", "scale", "shift"}}


def decay_factors(params: Mapping[str, Iterable[str]], decay_on: str) -> dict[str, dict[str, float]]:
    """1 for each parameter array that decays, 0 for each that is spared.

    The rule reads names only: arrays called `weight` decay, biases and norm scales and shifts do not, unless asked for.

    Arguments:
        params: for each layer, first to last, the names of its arrays.
        decay_on: one of `settings.DECAY_ON`.

    Raises:
        ValueError: for another `decay_on`.
    """
    names = list(params)
    layer_sets = {"first layer": names[:1], "output layer": names[-1:], "all but the output layer": names[:-1] or names}
    if decay_on not in _LEAVES and decay_on not in layer_sets:
        raise ValueError(f"decay_on is {decay_on!r}; it must be one of {', '.join([*_LEAVES, *layer_sets])}")
    chosen, leaves = layer_sets.get(decay_on, names), _LEAVES.get(decay_on, {"weight"})
    return {layer: {leaf: float(layer in chosen and leaf in leaves) for leaf in params[layer]} for layer in names}


def penalty(params: Any, factors: Any, decay: Array | float) -> Array:
    """decay / 2 times the sum of squares of what decays: the term that L2 regularisation adds to the loss."""
    squares = jax.tree.map(lambda p, f: jnp.sum(f * p * p), params, factors)
    return jnp.asarray(0.5 * decay * sum(jax.tree.leaves(squares)))


def soft_threshold(x: Array, amount: Array | float) -> Array:
    """Pull each entry towards zero by `amount`, and to exactly zero if it is closer: the proximal step of the L1 penalty.

    Unlike a subgradient, it makes weights exactly zero (Beck & Teboulle 2009).
    """
    return jnp.sign(x) * jnp.maximum(jnp.abs(x) - amount, 0)


def dropout(key: Array, x: Array, rate: Array | float) -> Array:
    """Set each entry to zero with chance `rate` and scale the rest by 1 / (1 - rate), which keeps the mean (Srivastava et al. 2014).

    The rate is kept below 1: at exactly 1 the scale is infinite and the gradient not a number.
    """
    keep = 1 - jnp.minimum(jnp.asarray(rate, x.dtype), 0.99)
    return jnp.where(_hashed_uniform(key, x.shape) < keep, x / keep, 0)


def input_noise(key: Array, x: Array, deviation: Array | float) -> Array:
    """Add fresh N(0, deviation^2) noise. For a linear model it equals, on average, ridge with lambda = deviation^2 (Bishop 1995)."""
    return x + deviation * jax.random.normal(key, x.shape, x.dtype)


def smooth_labels(targets: Array, amount: Array | float) -> Array:
    """Spread the share `amount` of each one-hot label evenly over all classes; targets (n, classes) (Szegedy et al. 2016)."""
    return (1 - amount) * targets + amount / targets.shape[-1]


def _hashed_uniform(key: Array, shape: tuple[int, ...]) -> Array:
    """Uniform float32 numbers in [0, 1): each place's number, hashed with the key.

    On a CPU JAX's own generators take longer than the rest of a training step of networks this small. The hash is two rounds of a
    full-avalanche 32-bit mixer (Wellons 2018, `lowbias32`), good enough for masks; the tests check its moments and independence.
    """
    words = jax.random.key_data(key).ravel()
    place = jax.lax.iota(jnp.uint32, math.prod(shape))
    bits = _mix(_mix(place * jnp.uint32(0x9E3779B9) + words[0]) ^ words[-1])
    return ((bits >> 8).astype(jnp.float32) * jnp.float32(2**-24)).reshape(shape)


def _mix(x: Array) -> Array:
    x = (x ^ (x >> 16)) * jnp.uint32(0x7FEB352D)
    x = (x ^ (x >> 15)) * jnp.uint32(0x846CA68B)
    return x ^ (x >> 16)
