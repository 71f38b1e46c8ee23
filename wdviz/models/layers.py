"""Layers as plain functions over dicts of arrays, batch first: `x` is (examples, ..., units)."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

Params = dict[str, Array]
Tree = dict[str, Params]  # component -> array
Drop = Callable[[Array, int], Array]  # (x, place) -> x, as dropout leaves it there: each place of a network has masks of its own

MANY = 32  # numbers in a row of an image from which a product for each row of the kernel is faster than one of whole windows

# A convolution of four rows, with zeros beyond, by three costs ten products, or six by Winograd's F(4, 3): transformed rows times a
# transformed kernel, transformed back (Lavin & Gray 2016, "Fast algorithms for convolutional neural networks").
_ROWS_IN = np.array([[0, -5, 0, 1], [-4, -4, 1, 1], [4, -4, -1, 1], [-2, -1, 2, 1], [2, -1, -2, 1], [4, 0, -5, 0]])
_KERNEL = np.array([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]) / 24
_ROWS_OUT = np.array([[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]])

ACTIVATIONS = {"relu": jax.nn.relu, "tanh": jnp.tanh, "gelu": jax.nn.gelu, "sigmoid": jax.nn.sigmoid}


def dense_init(key: Array, n_in: int, n_out: int, gain: float, dtype: str = "float32") -> Params:
    """Weight (n_in, n_out) drawn from N(0, gain / n_in) and bias (n_out,) of zeros.

    Gain 2 is He et al. (2015), for ReLU; gain 1 is LeCun et al. (1998); gain 0 starts at zero.
    """
    weight = jax.random.normal(key, (n_in, n_out), dtype) * jnp.sqrt(jnp.asarray(gain / n_in, dtype))
    return {"weight": weight, "bias": jnp.zeros(n_out, dtype)}


def dense(params: Params, x: Array) -> Array:
    """x (n, ..., n_in) -> (n, ..., n_out)."""
    return _product(x, params["weight"]) + params["bias"]


def _product(x: Array, weight: Array) -> Array:
    # One matrix of rows: the weight's gradient is then one plain product, without a transposed copy first.
    rows = x.reshape(math.prod(x.shape[:-1]), x.shape[-1])
    return (rows @ weight).reshape(*x.shape[:-1], weight.shape[1])


def whole(x: Array, _: int) -> Array:
    """The `Drop` that leaves nothing out."""
    return x


def gain(activation: str) -> float:
    """The gain of weights whose inputs come out of this activation: ReLU lets half of the variance through."""
    return 2.0 if activation == "relu" else 1.0


def convolution(params: Params, x: Array, width: int, columns: tuple[int, ...]) -> Array:
    """3 x 3 convolution that keeps the size, with zeros beyond the edges; 3 x 1 where the width is 1.

    What the rows above, at and below give to a whole row of the output are banded matrices. On a CPU products with these are faster at
    these sizes than windows of single pixels, and many times faster than `jax.lax.conv`.

    Arguments:
        params: `weight` (places * c, channels), its rows ordered by row of the kernel, column, channel of the input; `bias` (channels,).
        x: (h, n, width * c), images row by row, so that neighbouring rows are whole blocks of memory.
        columns: which of the output's columns are wanted, in which order; only the input's columns that they see are read.

    Returns:
        (h, n, len(columns) * channels).
    """
    channels = x.shape[2] // width
    first, last = max(min(columns) - 1, 0), min(max(columns) + 2, width)
    x = x[..., first * channels : last * channels]
    if width == 1:
        return dense(params, _windows(x))
    bias = jnp.tile(params["bias"], len(columns))
    weight, many = params["weight"].reshape(3, -1), x.shape[2] >= MANY
    if many and len(x) == 4:
        banded = _banded((jnp.asarray(_KERNEL, x.dtype) @ weight).reshape(6, 3, channels, -1), columns, first, last)
        rows = jnp.matmul(jnp.einsum("ij,jnk->ink", _ROWS_IN.astype(x.dtype), x), banded)
        return jnp.einsum("ij,jnk->ink", _ROWS_OUT.astype(x.dtype), rows) + bias
    banded = _banded(weight.reshape(3, 3, channels, -1), columns, first, last)
    if not many:
        return dense({"weight": banded.reshape(-1, banded.shape[2]), "bias": bias}, _windows(x))
    # Long rows: a product for each row of the kernel, rather than windows that copy each row three times.
    above, here, below = banded
    down, up = jnp.pad(_product(x[:-1], above), ((1, 0), (0, 0), (0, 0))), jnp.pad(_product(x[1:], below), ((0, 1), (0, 0), (0, 0)))
    return _product(x, here) + down + up + bias


def _banded(kernel: Array, columns: tuple[int, ...], first: int, last: int) -> Array:
    """kernel (rows, 3, c, channels) -> (rows, numbers of the input's columns first to last, numbers of the output's columns)."""
    seen = last - first
    kernel = jnp.pad(kernel, ((0, 0), (seen - 1, seen - 1), (0, 0), (0, 0)))
    banded = jnp.stack([kernel[:, seen + first - column : 2 * seen + first - column] for column in columns], 3)
    return banded.reshape(len(kernel), seen * kernel.shape[2], -1)


def _windows(x: Array) -> Array:
    """x (h, n, numbers) -> (h, n, 3 * numbers): each row between its neighbours, with zeros beyond the edges."""
    padded = jnp.pad(x, ((1, 1), (0, 0), (0, 0)))
    return jnp.concatenate([padded[i : i + len(x)] for i in range(3)], -1)


def pool(x: Array, kind: str, across: int) -> Array:
    """The mean or max of each 2 x `across` places: x (h, n, w * c) -> (h / 2, n, w * c / across).

    With 2 across, x holds the even columns first and then the odd ones: each is then a whole block of memory.
    """
    return _mean(x, across) if kind == "mean" else jnp.max(_blocks(x, across), (1, 3))


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def _mean(x: Array, across: int) -> Array:
    blocks = _blocks(x, across)
    parts = [blocks[:, i, :, j] for i in range(2) for j in range(across)]
    return sum(parts[1:], parts[0]) / len(parts)


@_mean.defjvp
def _mean_jvp(across: int, primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    """The slope is the same mean, but as one sum, which backwards is one broadcast; the faster sum of slices would be many padded sums."""
    return _mean(*primals, across), jnp.mean(_blocks(*tangents, across), (1, 3))


def _blocks(x: Array, across: int) -> Array:
    height, n, numbers = x.shape
    return x.reshape(height // 2, 2, n, across, numbers // across)


def layer_norm_init(units: int, dtype: str = "float32") -> Params:
    """Learnt scale and shift, (units,) each."""
    return {"scale": jnp.ones(units, dtype), "shift": jnp.zeros(units, dtype)}


def layer_norm(params: Params, x: Array, *, eps: float = 1e-5) -> Array:
    """Normalise each example over its units, the last axis of x (Ba, Kiros & Hinton 2016)."""
    centred = x - jnp.mean(x, -1, keepdims=True)
    return centred * jax.lax.rsqrt(jnp.mean(centred**2, -1, keepdims=True) + eps) * params["scale"] + params["shift"]


def attention(query: Array, key: Array, value: Array, heads: int) -> Array:
    """Each token's mean of the values, weighted by how its query agrees with their keys (Vaswani et al. 2017).

    All are (n, tokens, units); each head works on its own units / heads of them, in order.
    """
    n, tokens, units = query.shape
    v = value.reshape(n, tokens, heads, units // heads)
    return jnp.einsum("nhqk,nkhu->nqhu", attention_weights(query, key, heads), v).reshape(query.shape)


def attention_weights(query: Array, key: Array, heads: int) -> Array:
    """(n, heads, tokens, tokens): the share that each token (third axis) takes of each (last axis); the shares of a token add up to 1."""
    n, tokens, units = query.shape
    q, k = (a.reshape(n, tokens, heads, units // heads) for a in (query, key))
    return jax.nn.softmax(jnp.einsum("nqhu,nkhu->nhqk", q, k) / math.sqrt(units // heads))


def batch_norm_init(units: int, dtype: str = "float32") -> tuple[Params, Params]:
    """Learnt scale and shift, and running statistics with the weight they have gathered so far; all (units,) but the weight ()."""
    zeros = jnp.zeros(units, dtype)
    return {"scale": zeros + 1, "shift": zeros}, {"mean": zeros, "variance": zeros, "weight": jnp.zeros((), dtype)}


def batch_norm(
    params: Params, state: Params, x: Array, valid: Array | None, *, axis: int = 0, eps: float = 1e-5, keep: float = 0.9
) -> tuple[Array, Params]:
    """Normalise each unit over the batch, and over the places of an image (Ioffe & Szegedy 2015).

    Arguments:
        x: (n, units), or with places of an image before or between, (..., n, ..., units).
        valid: (n,) of 0 and 1, the rows that count, when training; None when evaluating, with the running statistics.
        axis: that of the examples.
        keep: share of the running statistics that survives a step.

    Returns:
        The normalised batch, of x's shape, and the new running statistics. These start at zero and are divided by their gathered
        weight at evaluation, so that they are unbiased from the first step on.
    """
    if valid is None:
        # Before the first step nothing has been gathered: mean 0 and variance 1, so that the network is defined.
        started = state["weight"] > 0
        weight = jnp.where(started, state["weight"], 1)
        mean, variance = state["mean"] / weight, jnp.where(started, state["variance"] / weight, 1)
    else:
        over = tuple(range(x.ndim - 1))
        count = jnp.sum(valid) * (math.prod(x.shape[:-1]) // len(valid))
        share = jnp.expand_dims(valid / count, [i for i in range(x.ndim) if i != axis])
        mean = jnp.sum(share * x, over)
        variance = jnp.sum(share * (x - mean) ** 2, over)
        seen = {"mean": mean, "variance": variance, "weight": jnp.ones_like(state["weight"])}
        state = {name: keep * state[name] + (1 - keep) * seen[name] for name in state}
    return (x - mean) * jax.lax.rsqrt(variance + eps) * params["scale"] + params["shift"], state
