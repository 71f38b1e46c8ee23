"""The convolutional network: 3 x 3 convolutions (3 x 1 for series), each followed by pooling, then one dense layer."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

from wdviz.models import layers
from wdviz.models.layers import Drop, Tree
from wdviz.program import Program


def layer_names(program: Program) -> tuple[str, ...]:
    """Names of the layers, first to last: `layer1`, `layer2`, ..., `output`."""
    return (*(f"layer{i + 1}" for i in range(len(program.hidden))), "output")


def init(program: Program, key: Array) -> tuple[Tree, Tree]:
    """Parameters and running statistics at the start: weights as in the feedforward network, He et al. (2015) for ReLU."""
    height, width, channels = program.shape
    gain = layers.gain(program.activation)
    params: Tree = {}
    state: Tree = {}
    for i, (name, units) in enumerate(zip(layer_names(program), program.hidden, strict=False)):
        places = 9 if width > 1 else 3
        params[name] = layers.dense_init(jax.random.fold_in(key, i), places * channels, units, gain, program.precision)
        if "batch norm" in program.regularisers:
            norm, state[name] = layers.batch_norm_init(units, program.precision)
            params[name] |= norm
        (height, width), channels = _pooled(height, width), units
    last = jax.random.fold_in(key, len(program.hidden))
    params["output"] = layers.dense_init(last, height * width * channels, program.outputs, gain, program.precision)
    return params, state


def apply(program: Program, params: Tree, state: Tree, x: Array, valid: Array | None, drop: Drop) -> tuple[Array, Tree]:
    """As `registry.apply`. Layers: convolution, batch normalisation if asked for, activation, pooling. Dropout: before the output layer."""
    state = dict(state)
    height, width, channels = program.shape
    x = jnp.swapaxes(x.reshape(len(x), height, width * channels), 0, 1)  # (height, n, width * channels)
    for name, units in zip(layer_names(program), program.hidden, strict=False):
        smaller = _pooled(height, width)
        halved = smaller != (height, width)
        across = 2 if halved and width > 1 else 1
        pieces = []
        for columns in _groups(width, across, apart=name == "layer1" and "batch norm" not in program.regularisers):
            piece = layers.convolution(params[name], x, width, columns)
            if "batch norm" in program.regularisers:
                places = piece.reshape(*piece.shape[:2], width, units)
                normed, state[name] = layers.batch_norm(params[name], state[name], places, valid, axis=1)
                piece = normed.reshape(piece.shape)
            piece = layers.ACTIVATIONS[program.activation](piece)
            pieces.append(layers.pool(piece, program.pooling, across) if halved else piece)
        x = jnp.concatenate(pieces, -1)
        height, width = smaller
    x = jnp.swapaxes(x, 0, 1)
    x = x.reshape(len(x), height * x.shape[2])
    x = drop(x, len(program.hidden))
    return layers.dense(params["output"], x), state


def _groups(width: int, across: int, *, apart: bool) -> list[tuple[int, ...]]:
    """The output's columns that are computed together, each group in the order that pooling wants: even ones, then odd ones.

    Apart, those of one pooled column at a time: the banded matrices of a layer are then small, with hardly a zero in them, which saves a
    fifth of a run where the layer's input has few channels, and loses as much where it has many.
    """
    if across == 2 and apart:
        return [(column, column + 1) for column in range(0, width, 2)]
    return [tuple(column for first in range(across) for column in range(first, width, across))]


def _pooled(height: int, width: int) -> tuple[int, int]:
    """The size after pooling: halved while it is even; a series, of width 1, is halved along its height."""
    if height % 2 or (width % 2 and width > 1):
        return height, width
    return height // 2, max(width // 2, 1)
