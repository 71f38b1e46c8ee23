"""What goes on inside a network over its training: NumPy arrays in frozen dataclasses, nothing that needs JAX to read."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from wdviz.measured import Arrays
from wdviz.results import Arm, History, Tree


@dataclass(frozen=True, eq=False)
class Internals(Arrays):
    """One training run, opened at each of its K checkpoints. What a family does not have is an array of length 0.

    R recurrent matrices, T steps of a sequence or tokens, B blocks, H heads, N test inputs looked at one by one.
    """

    history: History  # with the weights of each checkpoint
    eigenvalues: np.ndarray  # (K, R, units) complex, of the recurrent matrix of each layer; of a gated cell's candidate alone
    memory: np.ndarray  # (K, T) mean size of the last state's derivative by the input 0, 1, ... T - 1 steps before
    maps: np.ndarray  # (K, B, H, T, T) share that each token (row) takes of each (column), mean over test inputs
    entropy: np.ndarray  # (K, B, H) nats: mean entropy of the shares of one token of one input
    single: np.ndarray  # (K, N, B, H, T, T) the maps of single test inputs

    @property
    def nbytes(self) -> int:
        """Memory of its arrays and the history's."""
        return super().nbytes + self.history.nbytes

    @property
    def radius(self) -> np.ndarray:
        """(K, R) spectral radius of each recurrent matrix: the size of its largest eigenvalue."""
        return np.abs(self.eigenvalues).max(-1, initial=0.0)

    def at(self, share: float) -> int:
        """The checkpoint nearest to a share of the training, 0 to 1."""
        steps = self.history.steps
        return int(np.argmin(np.abs(steps - share * steps[-1])))

    def params(self, k: int) -> Tree:
        """The parameters at a checkpoint."""
        film = self.history.film_params
        assert film is not None  # looked into are recorded runs only
        return {name: {leaf: array[k] for leaf, array in layer.items()} for name, layer in film.items()}

    def growth(self, k: int) -> np.ndarray:
        """(L,) norm of each component's weight at a checkpoint as a multiple of that at the start; components as `History.layers`."""
        norms = self.history.norms.astype(np.float64)
        return np.divide(norms[k], norms[0], out=np.full(norms.shape[1], np.nan), where=norms[0] > 0)


def half_life(radius: float) -> float:
    """Steps after which a linear recurrence of that spectral radius has forgotten half: ln 2 / -ln(radius); infinite from 1 on."""
    return np.inf if radius >= 1 else float(np.log(2) / -np.log(radius)) if radius > 0 else 0.0


def arms_at(pair: tuple[Internals, Internals], share: float, decay: float) -> tuple[Arm, Arm]:
    """Both arms as they are after a share of the training: their weights at that checkpoint in the place of those kept."""
    histories = [replace(found.history, params=found.params(found.at(share))) for found in pair]
    return Arm("without", 0.0, (histories[0],)), Arm("with", decay, (histories[1],))
