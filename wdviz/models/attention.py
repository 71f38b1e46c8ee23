"""The attention network: an encoder of pre-norm blocks over rows, patches, or steps of a series."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

from wdviz.models import layers
from wdviz.models.layers import Drop, Tree
from wdviz.program import Program

BLOCK = ("norm1", "query", "key", "value", "projection", "norm2", "expand", "contract")
DEVIATION = 0.02  # of positions and the class token at the start, as in BERT and ViT


def layer_names(program: Program) -> tuple[str, ...]:
    """`embedding`, `positions`, the `class token` if there is one, for each block the parts in `BLOCK`, `norm`, `output`."""
    first = ("embedding", "positions", *(("class token",) if program.summary == "class token" else ()))
    return (*first, *(f"block{i + 1} {part}" for i in range(len(program.hidden)) for part in BLOCK), "norm", "output")


def init(program: Program, key: Array) -> tuple[Tree, Tree]:
    """Parameters at the start; there are no running statistics. All blocks have the width of the first.

    Weights N(0, gain / inputs), where the gain is 1 but for those behind the activation; biases zero.

    Raises:
        ValueError: if the heads do not share the width evenly, the blocks differ in width, or patches do not cover the input.
    """
    width, tokens, numbers = _checked(program)
    gain, dtype = layers.gain(program.activation), program.precision
    dense = {"query": (width, width, 1.0), "key": (width, width, 1.0), "value": (width, width, 1.0), "projection": (width, width, 1.0)}
    dense |= {"expand": (width, 2 * width, 1.0), "contract": (2 * width, width, gain)}
    dense |= {"embedding": (numbers, width, 1.0), "output": (width, program.outputs, 1.0)}
    rows = {"positions": tokens, "class token": 1}
    params: Tree = {}
    for i, name in enumerate(layer_names(program)):
        part, own = name.removeprefix(name.split()[0] + " ") if name.startswith("block") else name, jax.random.fold_in(key, i)
        if part in dense:
            params[name] = layers.dense_init(own, *dense[part], dtype)
        elif part in rows:
            params[name] = {"weight": DEVIATION * jax.random.normal(own, (rows[part], width), dtype)}
        else:
            params[name] = layers.layer_norm_init(width, dtype)
    return params, {}


def apply(program: Program, params: Tree, state: Tree, x: Array, valid: Array | None, drop: Drop) -> tuple[Array, Tree]:
    """As `registry.apply`. Dropout acts on what each half of a block adds (residual dropout, Vaswani et al. 2017)."""
    x, _ = _encoded(program, params, x, drop)
    x = layers.layer_norm(params["norm"], x)
    x = x[:, 0] if program.summary == "class token" else jnp.mean(x, 1)
    return layers.dense(params["output"], x), state


def weights(program: Program, params: Tree, x: Array) -> tuple[Array, ...]:
    """For each block (n, heads, tokens, tokens): the share that each token (row) takes of each (column); the class token comes first.

    As when evaluating, for x (n, inputs).
    """
    return _encoded(program, params, x, layers.whole)[1]


def _encoded(program: Program, params: Tree, x: Array, drop: Drop) -> tuple[Array, tuple[Array, ...]]:
    """The tokens behind the last block, (n, tokens, units), and each block's attention weights."""
    x = layers.dense(params["embedding"], _tokens(program, x)) + params["positions"]["weight"]
    if program.summary == "class token":
        token = jnp.broadcast_to(params["class token"]["weight"], (len(x), 1, x.shape[-1]))
        x = jnp.concatenate([token, x], 1)
    found = []
    for i in range(len(program.hidden)):
        block = {part: params[f"block{i + 1} {part}"] for part in BLOCK}
        query, key, value = _queried(block, layers.layer_norm(block["norm1"], x))
        found.append(layers.attention_weights(query, key, program.heads))
        x = x + drop(layers.dense(block["projection"], layers.attention(query, key, value, program.heads)), 2 * i)
        wide = layers.dense(block["expand"], layers.layer_norm(block["norm2"], x))
        x = x + drop(layers.dense(block["contract"], layers.ACTIVATIONS[program.activation](wide)), 2 * i + 1)
    return x, tuple(found)


def _queried(block: Tree, x: Array) -> list[Array]:
    """Queries, keys and values of all heads, (n, tokens, units) each, by one product."""
    fused = {leaf: jnp.concatenate([block[part][leaf] for part in ("query", "key", "value")], -1) for leaf in ("weight", "bias")}
    return jnp.split(layers.dense(fused, x), 3, -1)


def _tokens(program: Program, x: Array) -> Array:
    """x (n, inputs) -> (n, tokens, numbers in each): rows of the image, or its patches row by row."""
    height, width, channels = program.shape
    if program.tokens == "rows":
        return x.reshape(len(x), height, width * channels)
    down, across = _patch(program.shape)
    patches = x.reshape(len(x), height // down, down, width // across, across, channels)
    numbers = down * across * channels
    return patches.transpose(0, 1, 3, 2, 4, 5).reshape(len(x), height * width * channels // numbers, numbers)


def _patch(shape: tuple[int, ...]) -> tuple[int, int]:
    """Rows and columns of a patch: 2 x 2 pixels of an image, 4 steps of a series."""
    return (4, 1) if shape[1] == 1 else (2, 2)


def _checked(program: Program) -> tuple[int, int, int]:
    """Width of the tokens, their number, and the numbers in each."""
    height, width, channels = program.shape
    if len(set(program.hidden)) != 1 or program.hidden[0] % program.heads:
        raise ValueError(f"hidden is {program.hidden}; all blocks must have one width, a multiple of the {program.heads} heads")
    if program.tokens == "rows":
        return program.hidden[0], height, width * channels
    down, across = _patch(program.shape)
    if height % down or width % across:
        raise ValueError(f"shape is {program.shape}; patches of {down} x {across} must cover it")
    return program.hidden[0], height * width // (down * across), down * across * channels
