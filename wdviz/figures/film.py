"""The film of a training: answers and spread of the weights at each checkpoint, small enough to send at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wdviz.datasets import Split
from wdviz.figures import decision, weights
from wdviz.results import Arm


@dataclass(frozen=True, eq=False)
class Film:
    """First seed of each arm. K frames (checkpoints), G grid points; the arms may differ in K, where one stopped early."""

    steps: dict[str, NDArray[np.int32]]  # arm -> (K,) step of each frame
    answers: dict[str, NDArray[Any]]  # arm -> (K, G) uint8 as `decision.encode`, or (K, 400) float32 values of a one-input set
    bars: dict[str, dict[str, NDArray[np.uint16]]]  # layer -> arm -> (K, BINS) counts on the bins of `weights.histogram`


def film(arms: Sequence[Arm], split: Split) -> Film:
    """The film of arms whose first histories were trained with `film=True`.

    Raises:
        ValueError: for an arm without a film; the message names it.
    """
    firsts = {arm.name: arm.histories[0] for arm in arms}
    grids: dict[str, NDArray[np.floating]] = {}
    params: dict[str, Any] = {}
    for name, history in firsts.items():
        if history.film_params is None or history.film_grid is None:
            raise ValueError(f"the arm {name!r} carries no film; its first run must be made with film=True")
        params[name], grids[name] = history.film_params, history.film_grid
    bars: dict[str, dict[str, NDArray[np.uint16]]] = {}
    for layer in arms[0].histories[0].layers:
        edges = weights.bin_edges(arms, layer)
        flat = {name: each[layer]["weight"].reshape(len(firsts[name].steps), -1) for name, each in params.items()}
        bars[layer] = {name: weights.count(w, edges).astype(np.uint16) for name, w in flat.items()}
    return Film(
        steps={name: history.steps.astype(np.int32) for name, history in firsts.items()},
        answers={name: g[:, :, 0].astype(np.float32) if split.inputs == 1 else decision.encode(g) for name, g in grids.items()},
        bars=bars,
    )
