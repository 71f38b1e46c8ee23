"""The linear model and the feedforward network: dense layers with batch normalisation, activation and dropout between them."""

from __future__ import annotations

import jax
from jax import Array

from wdviz.models import layers
from wdviz.models.layers import Drop, Tree
from wdviz.program import Program


def layer_names(program: Program) -> tuple[str, ...]:
    """Names of the layers, first to last: `layer1`, `layer2`, ..., `output`."""
    return (*(f"layer{i + 1}" for i in range(len(program.hidden))), "output")


def init(program: Program, key: Array) -> tuple[Tree, Tree]:
    """Parameters and running statistics at the start; the linear model starts at zero."""
    sizes = (program.inputs, *program.hidden, program.outputs)
    gain = layers.gain(program.activation) if program.hidden else 0.0
    params: Tree = {}
    state: Tree = {}
    for i, name in enumerate(layer_names(program)):
        params[name] = layers.dense_init(jax.random.fold_in(key, i), sizes[i], sizes[i + 1], gain, program.precision)
        if name != "output" and "batch norm" in program.regularisers:
            norm, state[name] = layers.batch_norm_init(sizes[i + 1], program.precision)
            params[name] |= norm
    return params, state


def apply(program: Program, params: Tree, state: Tree, x: Array, valid: Array | None, drop: Drop) -> tuple[Array, Tree]:
    """As `registry.apply`. Dropout: after each activation."""
    state = dict(state)
    names = layer_names(program)
    for i, name in enumerate(names[:-1]):
        x = layers.dense(params[name], x)
        if "batch norm" in program.regularisers:
            x, state[name] = layers.batch_norm(params[name], state[name], x, valid)
        x = layers.ACTIVATIONS[program.activation](x)
        x = drop(x, i)
    return layers.dense(params[names[-1]], x), state
