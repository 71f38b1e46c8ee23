"""Layers as plain functions over dicts of arrays, batch first: `x` is (examples, units)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

Params = dict[str, Array]

ACTIVATIONS = {"relu": jax.nn.relu, "tanh": jnp.tanh, "gelu": jax.nn.gelu, "sigmoid": jax.nn.sigmoid}


def dense_init(key: Array, n_in: int, n_out: int, gain: float, dtype: str = "float32") -> Params:
    """Weight (n_in, n_out) drawn from N(0, gain / n_in) and bias (n_out,) of zeros.

    Gain 2 is He et al. (2015), for ReLU; gain 1 is LeCun et al. (1998); gain 0 starts at zero.
    """
    weight = jax.random.normal(key, (n_in, n_out), dtype) * jnp.sqrt(jnp.asarray(gain / n_in, dtype))
    return {"weight": weight, "bias": jnp.zeros(n_out, dtype)}


def dense(params: Params, x: Array) -> Array:
    """x (n, n_in) -> (n, n_out)."""
    return x @ params["weight"] + params["bias"]


def batch_norm_init(units: int, dtype: str = "float32") -> tuple[Params, Params]:
    """Learnt scale and shift, and running statistics with the weight they have gathered so far; all (units,) but the weight ()."""
    zeros = jnp.zeros(units, dtype)
    return {"scale": zeros + 1, "shift": zeros}, {"mean": zeros, "variance": zeros, "weight": jnp.zeros((), dtype)}


def batch_norm(
    params: Params, state: Params, x: Array, valid: Array | None, *, eps: float = 1e-5, keep: float = 0.9
) -> tuple[Array, Params]:
    """Normalise each unit over the batch (Ioffe & Szegedy 2015).

    Arguments:
        x: (n, units).
        valid: (n,) of 0 and 1, the rows that count, when training; None when evaluating, with the running statistics.
        keep: share of the running statistics that survives a step.

    Returns:
        The normalised batch (n, units) and the new running statistics. These start at zero and are divided by their gathered
        weight at evaluation, so that they are unbiased from the first step on.
    """
    if valid is None:
        # Before the first step nothing has been gathered: mean 0 and variance 1, so that the network is defined.
        started = state["weight"] > 0
        weight = jnp.where(started, state["weight"], 1)
        mean, variance = state["mean"] / weight, jnp.where(started, state["variance"] / weight, 1)
    else:
        share = (valid / jnp.sum(valid))[:, None]
        mean = jnp.sum(share * x, 0)
        variance = jnp.sum(share * (x - mean) ** 2, 0)
        seen = {"mean": mean, "variance": variance, "weight": jnp.ones_like(state["weight"])}
        state = {name: keep * state[name] + (1 - keep) * seen[name] for name in state}
    return (x - mean) * jax.lax.rsqrt(variance + eps) * params["scale"] + params["shift"], state
