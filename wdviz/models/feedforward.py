"""The linear model and the feedforward network: dense layers with batch normalisation, activation and dropout between them."""

from __future__ import annotations

import jax
from jax import Array

from wdviz import regularisers
from wdviz.models import layers
from wdviz.settings import Program

Tree = dict[str, dict[str, Array]]


def layer_names(program: Program) -> tuple[str, ...]:
    """Names of the layers, first to last: `layer1`, `layer2`, ..., `output`."""
    return (*(f"layer{i + 1}" for i in range(len(program.hidden))), "output")


def init(program: Program, key: Array) -> tuple[Tree, Tree]:
    """Parameters and running statistics at the start; the linear model starts at zero."""
    sizes = (program.inputs, *program.hidden, program.outputs)
    gain = 0.0 if not program.hidden else 2.0 if program.activation == "relu" else 1.0
    params: Tree = {}
    state: Tree = {}
    for i, name in enumerate(layer_names(program)):
        params[name] = layers.dense_init(jax.random.fold_in(key, i), sizes[i], sizes[i + 1], gain, program.precision)
        if name != "output" and "batch norm" in program.regularisers:
            norm, state[name] = layers.batch_norm_init(sizes[i + 1], program.precision)
            params[name] |= norm
    return params, state


def apply(
    program: Program,
    params: Tree,
    state: Tree,
    x: Array,
    *,
    valid: Array | None = None,
    key: Array | None = None,
    dropout: Array | float = 0.0,
) -> tuple[Array, Tree]:
    """x (n, inputs) -> logits or predictions (n, outputs), and the new running statistics.

    Arguments:
        valid: (n,) rows that count, when training; None when evaluating.
        key: randomness for dropout, when training.
    """
    state = dict(state)
    names = layer_names(program)
    for i, name in enumerate(names[:-1]):
        x = layers.dense(params[name], x)
        if "batch norm" in program.regularisers:
            x, state[name] = layers.batch_norm(params[name], state[name], x, valid)
        x = layers.ACTIVATIONS[program.activation](x)
        if "dropout" in program.regularisers and valid is not None and key is not None:
            x = regularisers.dropout(jax.random.fold_in(key, i), x, dropout)
    return layers.dense(params[names[-1]], x), state
