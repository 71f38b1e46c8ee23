"""What several tests share: random data for the kernel, a network in NumPy, and a count of compilations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import jax
import numpy as np

from wdviz.program import Program

COMPILED = "/jax/core/compile/backend_compile_duration"


@contextmanager
def count_compilations() -> Iterator[list[float]]:
    """Lists the seconds of each compilation by JAX inside the block, in any thread; `len` of it is their number.

    A program that is read from JAX's cache on disk counts too: it is still a new program.
    """
    seconds: list[float] = []

    def listen(event: str, duration_secs: float, **_: str | int) -> None:
        if event == COMPILED:
            seconds.append(duration_secs)

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield seconds
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)


def pad(array: np.ndarray, rows: int, filler: float = 0.0) -> np.ndarray:
    """The array with rows of `filler` after its own, `rows` in all."""
    padded = np.full((rows, *array.shape[1:]), filler, array.dtype)
    padded[: len(array)] = array
    return padded


def random_data(program: Program, seed: int = 0, n_train: int | None = None, noise: float = 0.5) -> dict[str, Any]:
    """Learnable data of the program's shapes: labels or values that are a noisy linear function of inputs with a mean of their own."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(program.inputs, program.outputs))
    data: dict[str, Any] = {
        "n_train": program.n_train if n_train is None else n_train,
        "grid": rng.normal(size=(program.grid, program.inputs)),
    }
    for split, n in (("train", program.n_train), ("validation", program.n_validation), ("test", program.n_test)):
        x = rng.normal(size=(n, program.inputs)) + 0.3
        target = x @ truth + noise * rng.normal(size=(n, program.outputs))
        data[f"x_{split}"] = x
        data[f"y_{split}"] = target[:, 0] + 0.7 if program.task == "regression" else np.argmax(target, 1)
    return data


def forward(params: Mapping[str, Mapping[str, np.ndarray]], x: np.ndarray) -> np.ndarray:
    """Outputs of a ReLU network without batch norm, in float64 NumPy; the layers are in order in `params`."""
    x = np.asarray(x, np.float64)
    *hidden, last = [{name: np.asarray(array, np.float64) for name, array in layer.items()} for layer in params.values()]
    for layer in hidden:
        x = np.maximum(x @ layer["weight"] + layer["bias"], 0)
    return x @ last["weight"] + last["bias"]


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)
