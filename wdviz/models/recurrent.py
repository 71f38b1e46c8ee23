"""The recurrent network: reads an image row by row, or a series step by step, and answers from its last state."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

from wdviz.models import cells, layers
from wdviz.models.layers import Drop, Tree
from wdviz.program import Program


def layer_names(program: Program) -> tuple[str, ...]:
    """For each layer its part that reads the input, the one that reads its own last state, the normalisation if asked for; `output`."""
    parts = ("input", "recurrent", *(("norm",) if "batch norm" in program.regularisers else ()))
    return (*(f"layer{i + 1} {part}" for i in range(len(program.hidden)) for part in parts), "output")


def init(program: Program, key: Array) -> tuple[Tree, Tree]:
    """Parameters at the start; there are no running statistics.

    Input weights N(0, 1 / inputs), recurrent matrices orthogonal, each gate its own (Saxe, McClelland & Ganguli 2014), biases zero but
    that of the LSTM's forget gate: 1, so that it remembers at first, as is customary (Jozefowicz, Zaremba & Sutskever 2015).
    """
    gates, dtype = cells.GATES[program.cell], program.precision
    n_in = program.shape[1] * program.shape[2]
    params: Tree = {}
    for i, units in enumerate(program.hidden):
        from_input, from_state = jax.random.split(jax.random.fold_in(key, i))
        forget = jnp.zeros(gates * units, dtype).at[units : 2 * units].set(program.cell == "lstm")
        reads = layers.dense_init(from_input, n_in, gates * units, 1.0, dtype)
        params[f"layer{i + 1} input"] = reads
        params[f"layer{i + 1} recurrent"] = {"weight": cells.orthogonal(from_state, units, gates, dtype)}
        if program.cell == "gru":
            params[f"layer{i + 1} recurrent"]["bias"] = jnp.zeros(units, dtype)
        if "batch norm" in program.regularisers:
            # Layer normalisation takes away what all units have in common, so the forget gate's 1 stands behind it.
            params[f"layer{i + 1} norm"] = layers.layer_norm_init(gates * units, dtype) | {"shift": forget}
        else:
            reads["bias"] = forget
        n_in = units
    last = jax.random.fold_in(key, len(program.hidden))
    params["output"] = layers.dense_init(last, n_in, program.outputs, 1.0, dtype)
    return params, {}


def apply(program: Program, params: Tree, state: Tree, x: Array, valid: Array | None, drop: Drop) -> tuple[Array, Tree]:
    """As `registry.apply`. Dropout acts on what a layer hands on, not on what it tells itself (Zaremba, Sutskever & Vinyals 2014)."""
    steps, width, channels = program.shape
    x = jnp.swapaxes(x.reshape(len(x), steps, width * channels), 0, 1)  # (steps, n, features)
    for i in range(len(program.hidden)):
        name = f"layer{i + 1}"
        summed = layers.dense(params[f"{name} input"], x)  # of all steps at once
        x = cells.run(program.cell, params[f"{name} recurrent"], summed, params.get(f"{name} norm"))
        if i == len(program.hidden) - 1:
            x = x[-1]
        x = drop(x, i)
    return layers.dense(params["output"], x), state
