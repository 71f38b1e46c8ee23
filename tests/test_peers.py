"""The optimisers against PyTorch, which is an optional group of this project's requirements."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import optax
import pytest

from wdviz import optimisers

torch = pytest.importorskip("torch", reason="PyTorch comes with the optional group `peers`")

RATE, DECAY, STEPS = 0.05, 0.3, 15


def ours(name: str, kind: str, decay: float, w: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Weights after each step on half the mean squared error of tanh(x w)."""
    optimiser = optimisers.make(name, kind, learning_rate=RATE, decay=decay, momentum=0.9)

    def step(carry: tuple[Any, Any], _: None) -> tuple[tuple[Any, Any], Any]:
        w, state = carry
        gradient = jax.grad(lambda w: ((jax.numpy.tanh(x @ w) - y) ** 2).mean() / 2)(w)
        update, state = optimiser.update(gradient, state, w)
        w = optax.apply_updates(w, update)
        return (w, state), w

    return np.asarray(jax.jit(lambda w: jax.lax.scan(step, (w, optimiser.init(w)), None, STEPS)[1])(w))


def theirs(name: str, kind: str, decay: float, w: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    parameter = torch.nn.Parameter(torch.tensor(w))
    if name == "adam":
        optimiser = (torch.optim.Adam if kind == "coupled" else torch.optim.AdamW)([parameter], lr=RATE, weight_decay=decay)
    else:
        optimiser = torch.optim.SGD([parameter], lr=RATE, momentum=0.9 if name == "momentum" else 0.0, weight_decay=decay)
    path = []
    for _ in range(STEPS):
        optimiser.zero_grad()
        loss = ((torch.tanh(torch.tensor(x) @ parameter) - torch.tensor(y)) ** 2).mean() / 2
        loss.backward()
        optimiser.step()
        path.append(parameter.detach().numpy().copy())
    return np.stack(path)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-10)])
@pytest.mark.parametrize(
    ("name", "kind", "decay"),
    [
        ("sgd", "coupled", 0.0),
        ("sgd", "coupled", DECAY),
        ("momentum", "coupled", 0.0),
        ("momentum", "coupled", DECAY),
        ("adam", "coupled", 0.0),
        ("adam", "coupled", DECAY),
        ("adam", "decoupled", DECAY),
    ],
)
def test_steps_are_those_of_pytorch(name, kind, decay, dtype, tolerance):  # T18
    rng = np.random.default_rng(2)
    w, x, y = (rng.normal(size=shape).astype(dtype) for shape in ((4, 3), (20, 4), (20, 3)))
    with jax.enable_x64(dtype == "float64"):
        path = ours(name, kind, decay, w, x, y)
    assert path.dtype == dtype
    np.testing.assert_allclose(path, theirs(name, kind, decay, w, x, y), atol=tolerance)
    assert np.abs(path[-1] - path[0]).max() > 0.05
