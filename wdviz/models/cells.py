"""Recurrent cells: tanh, GRU, LSTM, run over all steps of a sequence; and the orthogonal start of their recurrent matrices."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array

from wdviz.models import layers
from wdviz.models.layers import Params

GATES = {"tanh": 1, "gru": 3, "lstm": 4}
UNROLL = 2  # steps in one turn of the compiled loop: more take longer to compile and save hardly any time


def run(cell: str, params: Params, summed: Array, norm: Params | None = None) -> Array:
    """The states of all steps, (steps, n, units), from the input's part of each gate's sum, (steps, n, gates * units), bias included.

    Gates stand side by side: reset, update, candidate (GRU); input, forget, candidate, output (LSTM). States start at zero.

    Arguments:
        params: `weight` (units, gates * units); for GRU also `bias` (units,) of the state's part of the candidate.
        norm: `scale` and `shift` (gates * units,): each gate's sum is normalised over its units (Ba, Kiros & Hinton 2016).
    """
    units = params["weight"].shape[0]

    def normed(sums: Array, gate: slice = slice(None)) -> Array:
        if norm is None:
            return sums
        by_gate = sums.reshape(*sums.shape[:-1], sums.shape[-1] // units, units)
        part = {name: array.reshape(-1, units)[gate] for name, array in norm.items()}
        return layers.layer_norm(part, by_gate).reshape(sums.shape)

    zeros = jnp.zeros((*summed.shape[1:-1], units), summed.dtype)
    start = (zeros, zeros) if cell == "lstm" else zeros
    step = _CELLS[cell]

    def body(carry, now):
        carry = step(params, normed, carry, now)
        return carry, carry[0] if cell == "lstm" else carry

    return jax.lax.scan(body, start, summed, unroll=UNROLL)[1]


def orthogonal(key: Array, units: int, gates: int, dtype: str = "float32") -> Array:
    """(units, gates * units): for each gate an orthogonal matrix drawn evenly from all of them.

    A product of Householder reflections of normal vectors (Stewart 1980). `jax.nn.initializers.orthogonal` calls LAPACK, which can hang
    where several threads run a compiled loop.
    """
    normal = jax.random.normal(key, (units, gates, units), dtype)
    place = jnp.arange(units)

    def reflect(matrix: Array, at: tuple[Array, Array]) -> tuple[Array, Array]:
        """The next reflection, for each gate, leaves the first `index` units alone and turns the drawn vector to the next axis."""
        index, vector = at
        vector = jnp.where(place >= index, vector, 0)
        here = vector[:, index]
        sign = jnp.where(here < 0, -1, 1).astype(dtype)
        vector = vector.at[:, index].add(sign * jnp.sqrt(jnp.sum(vector**2, 1)))
        scaled = 2 * vector / jnp.sum(vector**2, 1, keepdims=True)
        along = jnp.sum(matrix * vector[:, None], 2)
        return matrix - along[:, :, None] * scaled[:, None], -sign

    start = jnp.broadcast_to(jnp.eye(units, dtype=dtype), (gates, units, units))
    product, signs = jax.lax.scan(reflect, start, (place, normal))
    return (product * signs.T[:, None]).transpose(1, 0, 2).reshape(units, gates * units)


def _tanh(params: Params, normed: Callable[..., Array], h: Array, now: Array) -> Array:
    return jnp.tanh(normed(now + h @ params["weight"]))


def _gru(params: Params, normed: Callable[..., Array], h: Array, now: Array) -> Array:
    """Cho et al. (2014), with the reset gate behind the matrix as in cuDNN and PyTorch, so that one product serves all gates."""
    units = h.shape[-1]
    own = h @ params["weight"]
    gates = jax.nn.sigmoid(normed(now[:, : 2 * units] + own[:, : 2 * units], slice(0, 2)))
    reset, update = jnp.split(gates, 2, -1)
    candidate = jnp.tanh(normed(now[:, 2 * units :] + reset * (own[:, 2 * units :] + params["bias"]), slice(2, 3)))
    return candidate + update * (h - candidate)


def _lstm(params: Params, normed: Callable[..., Array], carry: tuple[Array, Array], now: Array) -> tuple[Array, Array]:
    """Hochreiter & Schmidhuber (1997), with the forget gate of Gers, Schmidhuber & Cummins (2000)."""
    h, cell = carry
    write, forget, candidate, read = jnp.split(normed(now + h @ params["weight"]), 4, -1)
    cell = jax.nn.sigmoid(forget) * cell + jax.nn.sigmoid(write) * jnp.tanh(candidate)
    return jax.nn.sigmoid(read) * jnp.tanh(cell), cell


_CELLS = {"tanh": _tanh, "gru": _gru, "lstm": _lstm}
