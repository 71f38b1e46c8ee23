"""What is seen inside a network is what it computes: attention, memory and eigenvalues against NumPy, closed forms and differences."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import jax
import numpy as np
import pytest

from wdviz import inspecting, internals, models
from wdviz.models import attention
from wdviz.program import Program
from wdviz.results import History

IMAGE = Program("classification", 64, 10, 8, 8, 8, family="attention", shape=(8, 8, 1), hidden=(8, 8), heads=2, checkpoints=2)
SERIES = Program("classification", 12, 3, 8, 8, 8, family="recurrent", shape=(12, 1, 1), hidden=(5,), cell="tanh", checkpoints=3)


def started(program: Program, seed: int = 0) -> Any:
    params, _ = models.init(program, jax.random.key(seed))
    return {name: {leaf: np.asarray(array) for leaf, array in params[name].items()} for name in models.layer_names(program)}


def history(*checkpoints: Any) -> History:
    """A recorded run that went through these parameters."""
    count, zeros = len(checkpoints), np.zeros(len(checkpoints), np.float32)
    film = jax.tree.map(lambda *arrays: np.stack(arrays), *checkpoints)
    names = tuple(name for name in checkpoints[0] if "weight" in checkpoints[0][name])
    norms = np.array([[np.linalg.norm(params[name]["weight"]) for name in names] for params in checkpoints])
    curves: dict[str, Any] = dict.fromkeys(("train", "validation", "test"), zeros)
    steps = np.arange(count) * 10
    plain = (zeros, zeros, norms, np.zeros_like(norms), zeros, names, count - 1, checkpoints[0], checkpoints[-1], np.zeros((0, 3)))
    return History(steps, curves, curves, *plain, film_params=film)


def inputs(program: Program, n: int = 6, seed: int = 1) -> Any:
    return np.random.default_rng(seed).normal(size=(n, program.inputs)).astype(np.float32)


# --- attention --------------------------------------------------------------------------------------------------------------------


def normed(layer: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * layer["scale"] + layer["shift"]


def dense(layer: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    return x @ layer["weight"] + layer["bias"]


@pytest.mark.parametrize("summary", ["mean", "class token"])
def test_the_network_computed_with_the_weights_that_are_shown_is_the_network(summary):
    program = replace(IMAGE, summary=summary)
    params, x = started(program), inputs(program)
    shown = [np.asarray(block) for block in attention.weights(program, params, x)]
    tokens = dense(params["embedding"], x.reshape(-1, 8, 8)) + params["positions"]["weight"]
    if summary == "class token":
        first = np.broadcast_to(params["class token"]["weight"], (len(x), 1, 8))
        tokens = np.concatenate([first, tokens], 1)
    for i, shares in enumerate(shown):
        block = {part: params[f"block{i + 1} {part}"] for part in attention.BLOCK}
        value = dense(block["value"], normed(block["norm1"], tokens))
        mixed = [shares[:, head] @ value[..., 4 * head : 4 * head + 4] for head in range(2)]
        tokens = tokens + dense(block["projection"], np.concatenate(mixed, -1))
        wide = np.maximum(dense(block["expand"], normed(block["norm2"], tokens)), 0)
        tokens = tokens + dense(block["contract"], wide)
    last = normed(params["norm"], tokens)
    outputs = dense(params["output"], last[:, 0] if summary == "class token" else last.mean(1))
    expected, _ = models.apply(program, params, {}, x)
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5)


def test_maps_are_means_of_shares_and_entropy_is_that_of_single_tokens():
    params, x = started(IMAGE), inputs(IMAGE, 20)
    found = inspecting.inspect(IMAGE, history(params, params), x)
    shares = np.stack([np.asarray(block, np.float64) for block in attention.weights(IMAGE, params, x)], 1)
    assert found.maps.shape == (2, 2, 2, 8, 8)
    assert found.single.shape == (2, inspecting.SINGLE, 2, 2, 8, 8)
    np.testing.assert_allclose(found.maps[1], shares.mean(0), rtol=1e-4)
    np.testing.assert_allclose(found.single[0], shares[: inspecting.SINGLE], rtol=1e-4)
    np.testing.assert_allclose(found.entropy[0], -(shares * np.log(shares)).sum(-1).mean((0, 3)), rtol=1e-4)
    np.testing.assert_allclose(found.maps.sum(-1), 1, rtol=1e-5)
    even_map = -(found.maps[0] * np.log(found.maps[0])).sum(-1).mean(-1)
    assert (found.entropy[0] < even_map).all()  # a mean map is more even than the maps


def test_without_queries_attention_is_even():
    params = started(IMAGE)
    for name in ("block1 query", "block2 query"):
        params[name] = {leaf: np.zeros_like(array) for leaf, array in params[name].items()}
    found = inspecting.inspect(IMAGE, history(params), inputs(IMAGE))
    np.testing.assert_allclose(found.maps, 1 / 8, rtol=1e-5)
    np.testing.assert_allclose(found.entropy, math.log(8), rtol=1e-5)


# --- recurrence -------------------------------------------------------------------------------------------------------------------


def recurrent(matrix: np.ndarray, reads: np.ndarray) -> Any:
    params = started(SERIES)
    params["layer1 recurrent"] = {"weight": matrix.astype(np.float32)}
    params["layer1 input"] = {"weight": reads.astype(np.float32), "bias": np.zeros(5, np.float32)}
    return params


def test_a_linear_recurrence_remembers_as_the_spectral_radius_says():
    turn, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(5, 5)))
    reads = np.random.default_rng(1).normal(size=(1, 5))
    params = recurrent(0.7 * turn, reads)
    found = inspecting.inspect(SERIES, history(params, params), 1e-3 * inputs(SERIES))  # so small that tanh is linear
    np.testing.assert_allclose(found.radius, 0.7, rtol=1e-5)
    np.testing.assert_allclose(found.memory[1], np.linalg.norm(reads) * 0.7 ** np.arange(12), rtol=1e-3)
    assert internals.half_life(0.7) == pytest.approx(math.log(0.5) / math.log(0.7))


@pytest.mark.parametrize(("cell", "hidden"), [("tanh", (5,)), ("gru", (3, 3)), ("lstm", (3,))])
def test_memory_is_how_far_a_small_change_moves_the_last_state(cell, hidden):
    program = replace(SERIES, cell=cell, hidden=hidden)
    params, x = started(program), inputs(program, 3)
    found = inspecting.inspect(program, history(params), x)
    units = hidden[-1]
    reader = replace(program, outputs=units)
    reads = params | {"output": {"weight": np.eye(units, dtype=np.float32), "bias": np.zeros(units, np.float32)}}
    for back in (0, 1, 11):
        change = np.zeros(12, np.float32)
        change[11 - back] = 1e-2
        after, before = (np.asarray(models.apply(reader, reads, {}, x + sign * change)[0]) for sign in (1, -1))
        slope = np.linalg.norm((after - before) / 2e-2, axis=1).mean()
        assert found.memory[0, back] == pytest.approx(slope, rel=0.02, abs=1e-4)


def test_of_a_gated_cell_the_candidate_counts():
    stacked = np.concatenate([np.full((3, 3), gate, float) for gate in range(4)], 1)
    assert (inspecting.candidate("lstm", stacked) == 2).all()
    assert (inspecting.candidate("gru", stacked[:, :9]) == 2).all()
    assert (inspecting.candidate("tanh", stacked[:, :3]) == 0).all()


def test_eigenvalues_come_by_size_and_are_missing_where_the_run_diverged():
    params = recurrent(np.diag([0.1, -2.0, 0.5, 0.0, 1.0]), np.ones((1, 5)))
    broken = params | {"layer1 recurrent": {"weight": np.full((5, 5), np.nan, np.float32)}}
    found = inspecting.eigenvalues(SERIES, history(params, broken))
    np.testing.assert_allclose(found[0, 0].real, [-2, 1, 0.5, 0.1, 0], atol=1e-6)
    assert np.isnan(found[1]).all()


# --- the rest ---------------------------------------------------------------------------------------------------------------------


def test_other_families_have_neither():
    program = Program("classification", 64, 10, 8, 8, 8, family="convolutional", shape=(8, 8, 1), hidden=(4,))
    found = inspecting.inspect(program, history(started(program), started(program)), inputs(program))
    assert found.eigenvalues.size == found.memory.size == found.maps.size == found.entropy.size == 0
    assert found.radius.shape == (2, 0)


def test_only_a_recorded_run_can_be_opened():
    program = replace(SERIES)
    with pytest.raises(ValueError, match="film=True"):
        inspecting.inspect(program, replace(history(started(program)), film_params=None), inputs(program))


def test_an_architecture_is_compiled_once():
    params, x = started(SERIES), inputs(SERIES)
    inspecting.inspect(SERIES, history(params, params), x)
    count = len(inspecting.programs)
    inspecting.inspect(replace(SERIES, optimiser="sgd", n_train=99), history(params, started(SERIES, 1)), x + 1)
    short = inspecting.inspect(SERIES, history(params), x)  # as after fewer steps than checkpoints
    assert len(inspecting.programs) == count
    assert short.memory.shape == (1, 12)


def test_growth_and_moments_count_from_the_start():
    params = started(SERIES)
    twice = {name: {leaf: 2 * array for leaf, array in layer.items()} for name, layer in params.items()}
    found = inspecting.inspect(SERIES, history(params, params, twice), inputs(SERIES))
    np.testing.assert_allclose(found.growth(2), 2, rtol=1e-6)
    assert [found.at(share) for share in (0, 0.4, 0.6, 1)] == [0, 1, 1, 2]
    arms = internals.arms_at((found, found), 1.0, 3.0)
    np.testing.assert_array_equal(arms[1].histories[0].params["output"]["weight"], twice["output"]["weight"])
    assert (arms[0].decay, arms[1].decay) == (0.0, 3.0)
    assert found.nbytes > found.history.nbytes > 0


@pytest.mark.parametrize(("radius", "steps"), [(0.5, 1.0), (0.0, 0.0), (1.0, math.inf), (1.8, math.inf)])
def test_half_lives(radius, steps):
    assert internals.half_life(radius) == pytest.approx(steps)
