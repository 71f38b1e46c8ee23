"""The compiled functions behind `wdviz.probing`: outputs, Jacobians, noise, rescaled weights and the search for another answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from wdviz import models
from wdviz.compiling import Programs
from wdviz.program import Program
from wdviz.results import History, Tree
from wdviz.training import example_loss

ROUNDS, HALVINGS, LAST_HALVINGS = 5, 6, 14  # of the search
BEYOND = 1.002  # a step to where the answer should change goes a little further
SQUARINGS = 10
TINY = 1e-30  # keeps a division by zero away
programs = Programs()

Kind = Literal["measure", "reactions", "rescale", "outputs", "search"]


def call(kind: Kind, program: Program, history: History, *arrays: np.ndarray) -> Any:
    """One of the functions below on a network's weights; its results as NumPy arrays. Compiled once for each architecture and shapes."""
    program = program.architecture
    names = models.layer_names(program)
    trees = tuple({name: tree[name] for name in names if name in tree} for tree in (history.params, history.state))
    function = _compiled(kind, program, trees, arrays)
    return jax.tree.map(np.asarray, function(*trees, *arrays))


def _compiled(kind: Kind, program: Program, trees: tuple[Tree, ...], arrays: tuple[np.ndarray, ...]) -> Callable[..., Any]:
    key = (kind, program, tuple((a.shape, a.dtype.str) for a in arrays))

    def shapes() -> tuple[Any, ...]:
        return jax.tree.map(lambda a: jax.ShapeDtypeStruct(np.shape(a), np.asarray(a).dtype), (*trees, *arrays))

    return programs.get(key, lambda *given: _FUNCTIONS[kind](program, *given), shapes)


def _outputs(program: Program, params: Any, state: Any, x: Array) -> Array:
    """(..., inputs) -> (..., outputs): logits, or predictions."""
    flat, _ = models.apply(program, params, state, x.reshape(-1, x.shape[-1]))
    return flat.reshape(*x.shape[:-1], program.outputs)


def _score(program: Program, outputs: Array, losses: Array, y: Array) -> Array:
    if program.task == "classification":
        return jnp.mean(jnp.argmax(outputs, 1) == y)
    return 1 - 2 * jnp.mean(losses) / jnp.var(y)


def _measure(
    program: Program, params: Any, state: Any, x: Array, y: Array, noise: Array, strengths: Array, coarse: Array
) -> dict[str, Array]:
    rows = jnp.tile(y, len(noise))

    def under(strength: Array) -> tuple[Array, Array]:
        outputs = _outputs(program, params, state, (x + strength * noise).reshape(-1, program.inputs))
        losses = example_loss(program, outputs, rows)
        return _score(program, outputs, losses, rows), jnp.mean(losses)

    scores, losses = jax.lax.map(under, strengths)
    return {
        "scores": scores,
        "losses": losses,
        "reactions": _reactions(program, params, state, x),
        "outputs": _outputs(program, params, state, x),
        "coarse": _outputs(program, params, state, coarse),
    }


def _jacobians(program: Program, params: Any, state: Any, x: Array) -> Array:
    """(n, inputs) -> (n, outputs, inputs)."""

    def one(point: Array) -> Array:
        return _outputs(program, params, state, point)

    derivative = jax.jacfwd if program.inputs < program.outputs else jax.jacrev
    return jax.vmap(derivative(one))(x)


def _reactions(program: Program, params: Any, state: Any, x: Array) -> Array:
    """(n, inputs) -> (n,) largest singular value of each Jacobian."""
    jacobians = _jacobians(program, params, state, x)
    if program.inputs < program.outputs:
        jacobians = jacobians.transpose(0, 2, 1)
    gram = jnp.einsum("nij,nkj->nik", jacobians, jacobians)
    if gram.shape[1] == 1:
        return jnp.sqrt(gram[:, 0, 0])
    if gram.shape[1] == 2:
        half, skew = (gram[:, 0, 0] + gram[:, 1, 1]) / 2, (gram[:, 0, 0] - gram[:, 1, 1]) / 2
        return jnp.sqrt(half + jnp.hypot(skew, gram[:, 0, 1]))
    return jnp.sqrt(_largest(gram))


def _largest(gram: Array) -> Array:
    """(n, k, k) symmetric, no negative eigenvalues -> (n,) their largest eigenvalue, to a relative 1e-4 at worst.

    By squaring the matrix again and again, which leaves the largest one's eigenvector. No call of LAPACK: run by several threads at
    once, beside a loop in the same program, it waits for ever (jaxlib 0.10).
    """

    def squared(_: int, power: Array) -> Array:
        power = power @ power
        return power / (jnp.trace(power, axis1=1, axis2=2)[:, None, None] + TINY)

    scale = jnp.trace(gram, axis1=1, axis2=2)[:, None, None] + TINY
    power = jax.lax.fori_loop(0, SQUARINGS, squared, gram / scale)
    rows = jnp.arange(len(gram))
    vector = power[rows, jnp.argmax(jnp.diagonal(power, axis1=1, axis2=2), -1)]
    return jnp.einsum("ni,nij,nj->n", vector, gram, vector) / (jnp.sum(vector**2, -1) + TINY)


def _rescale(program: Program, params: Any, state: Any, x: Array, y: Array, factors: Array) -> dict[str, Array]:
    counted = jnp.ones(len(x), x.dtype)  # all rows count: batch statistics, as in a training step

    def answers(factor: Array) -> tuple[Array, Array]:
        hidden = {name for name, layer in params.items() if "weight" in layer and name != "output"}
        scaled = {name: layer | {"weight": factor * layer["weight"]} if name in hidden else layer for name, layer in params.items()}
        outputs, _ = models.apply(program, scaled, state, x, valid=counted)
        score = _score(program, outputs, example_loss(program, outputs, y), y)
        return outputs if program.task == "regression" else jax.nn.softmax(outputs), score

    before, _ = answers(jnp.ones((), x.dtype))
    after, scores = jax.lax.map(answers, factors)
    # Half the sum over classes: the share of probability that changes sides.
    share = 1.0 if program.task == "regression" else 0.5
    return {"change": share * jnp.mean(jnp.sum(jnp.abs(after - before), -1), -1), "scores": scores}


def _search(program: Program, params: Any, state: Any, x: Array, starts: Array, there: Array) -> dict[str, Array]:
    """See `nearest_change`. x (n, d), starts (n, k, d) that are answered differently where `there` (n, k)."""

    def f(at: Array) -> Array:
        return _outputs(program, params, state, at)

    origin = x[:, None]
    outputs = f(x)
    own = jnp.argmax(outputs, 1)[:, None]
    is_own = jax.nn.one_hot(own, program.outputs, dtype=bool)  # (n, 1, classes)

    def flipped(at: Array) -> Array:
        return jnp.argmax(f(at), -1) != own

    def halve(kept: Array, other: Array, times: int) -> Array:
        """The point where the answer flips between one that is kept and another one, as bisection finds it, on the other's side."""

        def once(_: int, ends: tuple[Array, Array]) -> tuple[Array, Array]:
            low, high = ends
            middle = (low + high) / 2
            beyond = flipped(kept + middle[..., None] * (other - kept))
            return jnp.where(beyond, low, middle), jnp.where(beyond, middle, high)

        ones = jnp.ones(other.shape[:-1], other.dtype)
        share = jax.lax.fori_loop(0, times, once, (jnp.zeros_like(ones), ones))[1]
        return kept + share[..., None] * (other - kept)

    def lead(at: Array, rival: Array) -> Array:
        """By how much the own class leads the rival's output."""
        values = f(at)
        return jnp.sum(jnp.where(is_own, values, 0) - rival * values)

    def once(_: int, carry: Any) -> Any:
        at, corner, before, best, point = carry
        # The foot on one tangent plane, and beside it the corner of two: there a ReLU network's boundary has its nearest points too.
        tried, last = jnp.concatenate([at, corner], 1), point
        crossed, known = flipped(tried), jnp.isfinite(best)
        # To the boundary: on the way to x, or, from where the answer is still x's own, on the way to the last point where it was not.
        kept, other = jnp.where(crossed[..., None], origin, tried), jnp.where(crossed[..., None], tried, last)
        tried = jnp.where((crossed | known)[..., None], halve(kept, other, HALVINGS), tried)
        length = jnp.where(crossed | known, jnp.linalg.norm(tried - origin, axis=-1), jnp.inf)
        nearer = length < best
        best, point = jnp.where(nearer, length, best), jnp.where(nearer[..., None], tried, point)
        at = tried[:, : at.shape[1]]
        values = f(at)
        rival = jax.nn.one_hot(jnp.argmax(jnp.where(is_own, -jnp.inf, values), -1), program.outputs, dtype=x.dtype)
        slope = jax.grad(lead)(at, rival)
        margin = jnp.sum(jnp.where(is_own, values, 0) - rival * values, -1)
        plane = (margin + jnp.sum(slope * (origin - at), -1), slope)  # its value at x, and its slope
        return origin + _foot(*plane), origin + _corner(*plane, *before), plane, best, point

    # Where a linear model of the network at x puts the nearest other answer: the class to reach is that of the smallest ratio.
    jacobians = _jacobians(program, params, state, x)
    slopes = jnp.sum(jnp.where(is_own.transpose(0, 2, 1), jacobians, 0), 1, keepdims=True) - jacobians
    margins = jnp.max(outputs, 1, keepdims=True) - outputs
    ratio = jnp.where(is_own[:, 0], jnp.inf, margins / (jnp.linalg.norm(slopes, axis=-1) + TINY))
    rival = jnp.argmin(ratio, 1)
    rows = jnp.arange(len(x))
    first = origin + _foot(margins[rows, rival][:, None], slopes[rows, rival][:, None])

    at = jnp.concatenate([first, jnp.where(there[..., None], starts, first)], 1)
    plane = (jnp.zeros(at.shape[:-1], x.dtype), jnp.zeros_like(at))
    both = jnp.concatenate([at, at], 1)
    best = jnp.full(both.shape[:-1], jnp.inf, x.dtype)
    *_, best, point = jax.lax.fori_loop(0, ROUNDS, once, (at, at, plane, best, both))
    choice = jnp.argmin(best, 1)
    point = halve(origin, point[rows, choice][:, None], LAST_HALVINGS)[:, 0]
    found = jnp.isfinite(best[rows, choice])
    return {"distances": jnp.where(found, jnp.linalg.norm(point - x, axis=-1), jnp.inf), "points": point}


def _foot(value: Array, slope: Array) -> Array:
    """The shortest step d, and a little more, to where `value + slope . d` is zero."""
    return -BEYOND * (value / (jnp.sum(slope**2, -1) + TINY))[..., None] * slope


def _corner(value: Array, slope: Array, other: Array, other_slope: Array) -> Array:
    """The shortest step, and a little more, to where two linear functions are zero."""
    a, b, c = jnp.sum(slope**2, -1), jnp.sum(other_slope**2, -1), jnp.sum(slope * other_slope, -1)
    determinant = a * b - c**2
    # Planes that are all but parallel meet far away, or nowhere: then the step stays that to the first of them.
    apart = determinant > 1e-4 * a * b
    first = jnp.where(apart, (b * value - c * other) / jnp.where(apart, determinant, 1), value / (a + TINY))
    second = jnp.where(apart, (a * other - c * value) / jnp.where(apart, determinant, 1), 0)
    return -BEYOND * (first[..., None] * slope + second[..., None] * other_slope)


_FUNCTIONS: dict[Kind, Callable[..., Any]] = {
    "measure": _measure,
    "reactions": _reactions,
    "rescale": _rescale,
    "outputs": _outputs,
    "search": _search,
}
