"""Ridge regression in closed form: what a linear model with decay comes to, its degrees of freedom, and leave-one-out without refits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wdviz import datasets
from wdviz.settings import Settings

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Ridge:
    """One data set, decomposed once, for every penalty: the minimum of ||y - X w - b||^2 + alpha ||w||^2, in which b is not penalised.

    `alpha` is scikit-learn's. The kernel's loss (1/2n) ||y - X w - b||^2 + (decay/2) ||w||^2 has its minimum at alpha = n x decay.
    All in float64, by the singular value decomposition of the centred inputs, which stays accurate where X'X is nearly singular.

    Arguments of the methods: alpha above 0, or 0 for least squares (of smallest norm where that is not unique).
    """

    x: Array  # (n, inputs)
    y: Array  # (n,)

    @classmethod
    def of(cls, x: ArrayLike, y: ArrayLike) -> Ridge:
        """Raises ValueError unless x is (n, inputs) and y (n,), with n of at least 2, and all are finite numbers."""
        inputs, targets = np.array(x, np.float64), np.array(y, np.float64)
        if inputs.ndim != 2 or targets.shape != inputs.shape[:1] or len(targets) < 2:
            raise ValueError(f"x is {inputs.shape} and y {targets.shape}; they must be (n, inputs) and (n,) with n of at least 2")
        if not (np.isfinite(inputs).all() and np.isfinite(targets).all()):
            raise ValueError("x and y must be finite numbers")
        return cls(inputs, targets)

    @cached_property
    def _svd(self) -> tuple[Array, Array, Array]:
        """U (n, r), s (r,), V' (r, inputs) of the centred inputs, without the directions in which they do not vary."""
        u, s, vt = np.linalg.svd(self.x - self.x.mean(0), full_matrices=False)
        use = s > s.max(initial=0) * max(self.x.shape) * np.finfo(np.float64).eps
        return u[:, use], s[use], vt[use]

    def shrink(self, alpha: float) -> Array:
        """(r,) share of the least-squares answer that is kept along each principal direction: s^2 / (s^2 + alpha)."""
        if not 0 <= alpha < np.inf:
            raise ValueError(f"alpha is {alpha!r}; it must be a finite number of at least 0")
        squares = self._svd[1] ** 2
        return squares / (squares + alpha)

    def fit(self, alpha: float) -> tuple[Array, float]:
        """Weights (inputs,) and bias at the minimum."""
        u, s, vt = self._svd
        weights = vt.T @ (self.shrink(alpha) / s * (u.T @ (self.y - self.y.mean())))
        return weights, float(self.y.mean() - self.x.mean(0) @ weights)

    def hat(self, alpha: float) -> Array:
        """(n, n) matrix H of the fitted values H y: 1/n for the bias, and U diag(shrink) U'."""
        u = self._svd[0]
        return 1 / len(self.y) + (u * self.shrink(alpha)) @ u.T

    def freedom(self, alpha: float) -> float:
        """Effective degrees of freedom, trace H: 1 for the bias, and the sum of shrink."""
        return 1 + float(self.shrink(alpha).sum())

    def residuals(self, alpha: float) -> Array:
        """(n,) y - H y."""
        weights, bias = self.fit(alpha)
        return self.y - self.x @ weights - bias

    def left_out(self, alpha: float) -> Array:
        """(n,) each point's residual where it was left out of the fit: (y - yhat) / (1 - H_ii), from the one fit to all points.

        The refits that this spares have the same alpha. Infinite, or not a number, where a point alone decides its fitted value.
        """
        leverage = 1 / len(self.y) + self._svd[0] ** 2 @ self.shrink(alpha)
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.residuals(alpha) / (1 - leverage)

    def left_out_loss(self, alpha: float) -> float:
        """Half the mean squared leave-one-out residual."""
        return float(0.5 * np.mean(self.left_out(alpha) ** 2))


@dataclass(frozen=True, eq=False)
class LeaveOneOut:
    """What each of D decays comes to, without any training."""

    losses: Array  # (D,) exact leave-one-out loss; not a number where a point alone decides its fitted value
    freedom: Array  # (D,) effective degrees of freedom of the fit to all points


def leave_one_out(settings: Settings, decays: Sequence[float]) -> LeaveOneOut | None:
    """The exact curve of the first repetition's training points; None where `why_not` says so.

    A training that leaves a point out minimises a mean over n - 1 points, so its alpha is (n - 1) x decay. Inputs stay as they were
    scaled by all n points, while the trained folds are scaled anew: of a set that is standardised, the two differ a little.
    """
    if why_not(settings):
        return None
    split = datasets.split_for(settings, settings.seed)
    n = split.n_train
    fit = Ridge.of(split.x_train[:n], split.y_train[:n])
    rates = [_penalty(settings, decay) for decay in decays]
    losses = np.array([fit.left_out_loss((n - 1) * rate) for rate in rates])
    return LeaveOneOut(np.where(np.isfinite(losses), losses, np.nan), np.array([fit.freedom(n * rate) for rate in rates]))


def why_not(settings: Settings) -> str:
    """Why what the settings train has no closed form, as the end of a sentence; empty where it has one."""
    s = settings
    if s.model != "linear":
        return "the model is not linear"
    if datasets.REGISTRY[s.dataset].task != "regression":
        return "classes have no least squares"
    if s.optimiser == "adam" and s.decay_kind != "coupled":
        return "AdamW minimises no penalised loss"
    if s.decay_on != "weights" or s.spare in ("first layer", "output layer"):
        return "not the weights alone decay"
    return f"{s.regularisers[0]} is on" if s.regularisers else ""


def _penalty(settings: Settings, decay: float) -> float:
    """The decay of (1/2n) ||residuals||^2 + (decay/2) ||w||^2 whose minimum the optimiser comes to rest at.

    Where decay is not part of the gradient, at rest it balances the step: with momentum mu that is gradient / (1 - mu), so decay counts
    (1 - mu) times.
    """
    s = settings
    if s.decay_kind == "coupled":
        return decay
    rate = decay / s.learning_rate if s.decay_kind == "independent" else decay
    return rate * (1 - s.momentum) if s.optimiser == "momentum" else rate
