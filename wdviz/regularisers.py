"""Regularisers beside the decay itself: what decays, penalties, dropout, input noise, label smoothing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from wdviz.settings import DECAY_ON, PARTS

_LEAVES = {"weights": {"weight"}, "weights and biases": {"weight", "bias"}, "everything": {"weight", "bias", "scale", "shift"}}
_LAYERS = {"first layer": slice(0, 1), "middle layers": slice(1, -1), "output layer": slice(-1, None)}
_KINDS = {"biases": {"bias"}, "norm scales": {"scale", "shift"}}
# Ends of the names of the components, which the families of models share.
_COMPONENTS = {
    "recurrent matrix": ("recurrent",),
    "embedding and positions": ("embedding", "positions", "class token"),
    "queries and keys": ("query", "key"),
    "values and projection": ("value", "projection"),
    "feedforward block": ("expand", "contract"),
}

Arrays = Mapping[str, Iterable[str]]  # for each component, first to last, the names of its arrays


def decay_factors(arrays: Arrays, decay_on: str, spare: str = "none") -> dict[str, dict[str, float]]:
    """1 for each parameter array that decays, 0 for each that is spared.

    The rule reads names only: arrays called `weight` decay, biases and norm scales and shifts do not, unless asked for.

    Arguments:
        arrays: for each component, first to last, the names of its arrays.
        decay_on: one of `settings.DECAY_ON`; a part that the network does not have decays nothing.
        spare: one of `settings.PARTS` that does not decay all the same, or `none`.

    Raises:
        ValueError: for another `decay_on` or `spare`.
    """
    chosen, spared = _chosen(arrays, decay_on), _part(arrays, spare) if spare != "none" else set()
    return {name: {leaf: float((name, leaf) in chosen - spared) for leaf in leaves} for name, leaves in arrays.items()}


def parts(arrays: Arrays) -> tuple[str, ...]:
    """Which of `settings.PARTS` a network has."""
    return tuple(part for part in PARTS if _part(arrays, part))


def _chosen(arrays: Arrays, decay_on: str) -> set[tuple[str, str]]:
    every = [(name, leaf) for name, leaves in arrays.items() for leaf in leaves]
    if decay_on in _LEAVES:
        return {(name, leaf) for name, leaf in every if leaf in _LEAVES[decay_on]}
    if decay_on == "all but the output layer":
        weights = {(name, leaf) for name, leaf in every if leaf == "weight"}
        return weights - _part(arrays, "output layer") or weights  # a linear model has no other layer
    if decay_on in PARTS:
        return _part(arrays, decay_on)
    raise ValueError(f"decay_on is {decay_on!r}; it must be one of {', '.join(DECAY_ON)}")


def _part(arrays: Arrays, part: str) -> set[tuple[str, str]]:
    """The arrays (component, name) of one of `settings.PARTS`: of layers and components the weights alone."""
    every = [(name, leaf) for name, leaves in arrays.items() for leaf in leaves]
    if part in _KINDS:
        return {(name, leaf) for name, leaf in every if leaf in _KINDS[part]}
    weights = [name for name, leaf in every if leaf == "weight"]
    if part in _COMPONENTS:
        return {(name, "weight") for name in weights if name.endswith(_COMPONENTS[part])}
    if part in _LAYERS:
        layers = list(dict.fromkeys(map(_layer, weights)))
        return {(name, "weight") for name in weights if _layer(name) in layers[_LAYERS[part]]}
    raise ValueError(f"spare is {part!r}; it must be none or one of {', '.join(PARTS)}")


def _layer(component: str) -> str:
    """The layer or block of a component: `block1 query` belongs to `block1`; what is added to the embedding counts as part of it."""
    return "embedding" if component in _COMPONENTS["embedding and positions"] else component.split(" ")[0]


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
    return jnp.where(hashed_uniform(key, x.shape) < keep, x / keep, 0)


def input_noise(key: Array, x: Array, deviation: Array | float) -> Array:
    """Add fresh N(0, deviation^2) noise. For a linear model it equals, on average, ridge with lambda = deviation^2 (Bishop 1995)."""
    return x + deviation * hashed_normal(key, x.shape).astype(x.dtype)


def smooth_labels(targets: Array, amount: Array | float) -> Array:
    """Spread the share `amount` of each one-hot label evenly over all classes; targets (n, classes) (Szegedy et al. 2016)."""
    return (1 - amount) * targets + amount / targets.shape[-1]


def hashed_uniform(key: Array, shape: tuple[int, ...]) -> Array:
    """Uniform float32 numbers in [0, 1): each place's number, hashed with the key.

    On a CPU JAX's own generators take longer than the rest of a training step of networks this small. The hash is two rounds of a
    full-avalanche 32-bit mixer (Wellons 2018, `lowbias32`), good enough for masks; the tests check its moments and independence.
    """
    words = jax.random.key_data(key).ravel()
    place = jax.lax.iota(jnp.uint32, math.prod(shape))
    bits = _mix(_mix(place * jnp.uint32(0x9E3779B9) + words[0]) ^ words[-1])
    return ((bits >> 8).astype(jnp.float32) * jnp.float32(2**-24)).reshape(shape)


def hashed_normal(key: Array, shape: tuple[int, ...]) -> Array:
    """Standard normal float32 numbers: the inverse normal distribution function of `hashed_uniform`, a tenth of the time of JAX's own."""
    # The lowest of the uniform numbers is 0, whose inverse would be minus infinity; the next float is a half of a step away.
    spread = jnp.maximum(2 * hashed_uniform(key, shape) - 1, jnp.float32(2**-24 - 1))
    return jnp.float32(math.sqrt(2)) * jax.lax.erf_inv(spread)


def _mix(x: Array) -> Array:
    x = (x ^ (x >> 16)) * jnp.uint32(0x7FEB352D)
    x = (x ^ (x >> 15)) * jnp.uint32(0x846CA68B)
    return x ^ (x >> 16)
