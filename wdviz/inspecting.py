"""Looks inside a recorded run: how far a recurrent network remembers, and what attention attends to, at each checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from wdviz import models
from wdviz.compiling import Programs
from wdviz.internals import Internals
from wdviz.models import attention
from wdviz.program import Program
from wdviz.results import History

LOOKED = 100  # test inputs that means are taken over, at most
SINGLE = 12  # of which so many are kept one by one
CANDIDATE = {"tanh": 0, "gru": 2, "lstm": 2}  # the gate that proposes a new state, where gates stand side by side
programs = Programs()


def inspect(program: Program, history: History, x: np.ndarray) -> Internals:
    """Everything of `Internals` for one recorded run.

    Arguments:
        program: whose run it is; only the architecture matters.
        history: with the weights of each checkpoint.
        x: (n, inputs) test inputs, of which the first `LOOKED` are used.

    Raises:
        ValueError: if the weights of each checkpoint were not recorded.
    """
    if history.film_params is None:
        raise ValueError("film_params is None; only a run recorded with film=True can be looked into")
    count, x = len(history.steps), np.asarray(x[:LOOKED], np.float32)
    memory = _call(_memories, program, history, x)["memory"] if program.family == "recurrent" else np.zeros((count, 0), np.float32)
    axes = {"maps": 5, "entropy": 3, "single": 6}
    seen = {name: np.zeros((count, *(0,) * (n - 1)), np.float32) for name, n in axes.items()}
    if program.family == "attention":
        seen = _call(_attentions, program, history, x)
    return Internals(history, eigenvalues(program, history), memory, **seen)


def eigenvalues(program: Program, history: History) -> np.ndarray:
    """(K, R, units) complex64 eigenvalues of each layer's recurrent matrix at each checkpoint, largest first.

    Of a GRU or LSTM the candidate's matrix, since only it carries the state on through a linear map. Not a number where the run diverged.
    """
    film = history.film_params
    assert film is not None
    names = [name for name in film if name.endswith(" recurrent")]
    found = [_eigenvalues(candidate(program.cell, film[name]["weight"])) for name in names]
    return np.stack(found, 1) if found else np.zeros((len(history.steps), 0, 0), np.complex64)


def candidate(cell: str, weight: np.ndarray) -> np.ndarray:
    """(..., units, gates * units) -> (..., units, units): the matrix of the gate that proposes the new state; a tanh cell's only one."""
    units, place = weight.shape[-2], CANDIDATE[cell]
    return weight[..., place * units : (place + 1) * units]


def _eigenvalues(matrices: np.ndarray) -> np.ndarray:
    # On the host: LAPACK in a compiled program can hang where several threads run it.
    finite = np.asarray(np.isfinite(matrices).all((-2, -1)))
    values = np.linalg.eigvals(np.where(finite[:, None, None], matrices, 0).astype(np.float64)).astype(np.complex64)
    values = np.take_along_axis(values, np.argsort(-np.abs(values), -1, kind="stable"), -1)
    return np.where(finite[:, None], values, np.nan + 0j).astype(np.complex64)


def _call(function: Callable[..., Any], program: Program, history: History, x: np.ndarray) -> dict[str, np.ndarray]:
    """One of the functions below, compiled once for each architecture, number of checkpoints and of inputs."""
    count, most = len(history.steps), max(len(history.steps), program.checkpoints)

    def padded(array: np.ndarray) -> np.ndarray:
        # A short run has fewer checkpoints; the last one is repeated, so that this does not compile another function.
        return np.concatenate([array, np.repeat(array[-1:], most - count, 0)])

    architecture, given = program.architecture, (jax.tree.map(padded, history.film_params), x)
    key = (function.__name__, architecture, most, x.shape)

    def shapes() -> tuple[Any, ...]:
        return jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype), given)

    found = programs.get(key, lambda *arrays: function(architecture, *arrays), shapes)(*given)
    return {name: np.asarray(array)[:count] for name, array in found.items()}


def _memories(program: Program, film: Any, x: Array) -> dict[str, Array]:
    """(K, T) Frobenius norm of the last state's derivative by the input so many steps before, mean over the inputs."""
    units, steps = program.hidden[-1], program.shape[0]
    # An output layer that hands on the state as it is.
    reader = {"weight": jnp.eye(units, dtype=x.dtype), "bias": jnp.zeros(units, x.dtype)}

    def last_state(params: Any, one: Array) -> Array:
        return models.apply(replace(program, outputs=units), params | {"output": reader}, {}, one[None])[0][0]

    def at(params: Any) -> Array:
        derivatives = jax.vmap(jax.jacrev(lambda one: last_state(params, one)))(x)  # (n, units, inputs)
        by_step = derivatives.reshape(len(x), units, steps, -1)
        return jnp.mean(jnp.sqrt(jnp.sum(by_step**2, (1, 3))), 0)[::-1]

    return {"memory": jax.lax.map(at, film)}


def _attentions(program: Program, film: Any, x: Array) -> dict[str, Array]:
    def at(params: Any) -> dict[str, Array]:
        shares = jnp.stack(attention.weights(program, params, x), 1)  # (n, B, H, T, T)
        logs = jnp.log(jnp.maximum(shares, jnp.finfo(shares.dtype).tiny))
        return {"maps": jnp.mean(shares, 0), "entropy": -jnp.mean(jnp.sum(shares * logs, -1), (0, 3)), "single": shares[:SINGLE]}

    return jax.lax.map(at, film)
