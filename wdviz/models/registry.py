"""The model families by name: how each starts, computes, names its parts and counts its parameters."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache

import jax
from jax import Array

from wdviz import regularisers
from wdviz.models import attention, convolutional, feedforward, recurrent
from wdviz.models.layers import Tree
from wdviz.program import Program

FAMILIES = {
    "feedforward": feedforward,
    "linear": feedforward,
    "convolutional": convolutional,
    "recurrent": recurrent,
    "attention": attention,
}
WIDEST = 512


def init(program: Program, key: Array) -> tuple[Tree, Tree]:
    """Parameters and running statistics at the start: component -> leaf (`weight`, `bias`, `scale`, `shift`) -> array.

    Raises:
        ValueError: if the family cannot take inputs of the program's shape, or has no hidden layers where it needs some.
    """
    family = _family(program)
    if not fits(program.family, program.shape):
        raise ValueError(f"shape is {program.shape}; a {program.family} network takes images or series, (height, width, channels)")
    if program.shape and math.prod(program.shape) != program.inputs:
        raise ValueError(f"shape is {program.shape}; it must have {program.inputs} numbers, one for each input")
    if family is not feedforward and not program.hidden:
        raise ValueError(f"hidden is (); a {program.family} network has at least one layer")
    return family.init(program, key)


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
        x: rows of flat inputs; those of images and series in the order of (height, width, channels).
        valid: (n,) rows that count, when training; None when evaluating.
        key: randomness for dropout, when training.
        dropout: the chance that a unit is left out; used where "dropout" is among the program's regularisers.
    """

    def drop(x: Array, place: int) -> Array:
        if "dropout" not in program.regularisers or valid is None or key is None:
            return x
        return regularisers.dropout(jax.random.fold_in(key, place), x, dropout)

    return _family(program).apply(program, params, state, x, valid, drop)


def layer_names(program: Program) -> tuple[str, ...]:
    """Every component of the network, first to last, those of normalisation alone included."""
    return _family(program).layer_names(program)


def fits(family: str, shape: tuple[int, ...]) -> bool:
    """Whether a family can take inputs of this shape: all but feedforward networks need images or series."""
    return FAMILIES[family] is feedforward or len(shape) == 3


@lru_cache(maxsize=4096)
def parameter_count(program: Program) -> int:
    """How many numbers are learnt."""
    params, _ = jax.eval_shape(lambda key: init(program, key), jax.random.key(0))
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(params))


@lru_cache(maxsize=256)
def width_for(program: Program, budget: int) -> int:
    """The width of all hidden layers, at most 512, for which the parameter count is nearest the budget; the smaller of two as near.

    Widths of an attention network are multiples of its heads. The program's own widths do not matter, only how many there are.

    Raises:
        ValueError: for a network without hidden layers.
    """
    if not program.hidden:
        raise ValueError("hidden is (); a network without hidden layers has no width to choose")
    step = program.heads if program.family == "attention" else 1

    def count(times: int) -> int:
        return parameter_count(replace(program, hidden=(times * step,) * len(program.hidden)))

    # Matrices grow with the width or its square, so three counts give all others.
    first, second, third = count(1), count(2), count(3)
    slope, bend = second - first, third - 2 * second + first
    counts = [first + i * slope + i * (i - 1) // 2 * bend for i in range(WIDEST // step)]
    return step * (1 + min(range(len(counts)), key=lambda i: abs(counts[i] - budget)))


def _family(program: Program):
    if program.family not in FAMILIES:
        raise ValueError(f"family is {program.family!r}; it must be one of {', '.join(FAMILIES)}")
    return FAMILIES[program.family]
