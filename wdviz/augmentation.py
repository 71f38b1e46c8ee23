"""Augmentation: fresh variants of the training inputs at each step, by moves, turns and noise, or by mixing pairs of examples."""

from __future__ import annotations

import zlib

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from wdviz.regularisers import hashed_normal, hashed_uniform


def augment(key: Array, x: Array, shape: tuple[int, ...], *, shift: Array | float, rotation: Array | float, jitter: Array | float) -> Array:
    """Each row moved, turned and blurred by noise, by amounts of its own (Simard et al. 2003; Bishop 1995 for the noise).

    All three amounts are data to the compiled function; where they are 0, the result is the input bit for bit.

    Arguments:
        x: (n, inputs) rows in row-major order of `shape`.
        shape: (height, width, channels) of an image, (steps, 1, channels) of a series; () of other inputs, which get noise alone.
        shift: whole number; images move by so many pixels at most in both directions, series by so many steps in time.
        rotation: images turn by so many degrees at most about their centre; series do not.
        jitter: standard deviation of the noise, in units of the inputs.
    """
    if shape:
        uniform = hashed_uniform(key, (3, len(x)))
        down, across = (jnp.floor(uniform[:2] * (2 * shift + 1)) - shift).astype(jnp.int32)
        if _series(shape):
            x = shifted(x, shape, down, across)
        else:
            degrees = rotation * (2 * uniform[2] - 1)
            # Four values are read for each pixel of a turned image and one of an image that only moves, a third of the time.
            x = jax.lax.cond(rotation > 0, lambda: turned(x, shape, down, across, degrees), lambda: shifted(x, shape, down, across))

    def noisy() -> Array:
        return x + jnp.asarray(jitter * hashed_normal(jax.random.fold_in(key, 1), x.shape), x.dtype)

    return jax.lax.cond(jitter > 0, noisy, lambda: x)


def shifted(x: Array, shape: tuple[int, ...], down: Array, across: Array) -> Array:
    """Rows (n, inputs) moved by whole pixels `down` and `across` (n,), zeros coming in; series later by `down`, their ends repeated."""
    height, width, channels = shape
    row, column, channel = _places(shape)
    row, column = row - down[:, None], column - across[:, None]
    if _series(shape):
        return _read(x, jnp.clip(row, 0, height - 1) * channels + channel)
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    return jnp.where(inside, _read(x, (row * width + column) * channels + channel), 0)


def turned(x: Array, shape: tuple[int, ...], down: Array, across: Array, degrees: Array) -> Array:
    """Images (n, inputs) moved by whole pixels `down` and `across` (n,), then turned about their centre, counter-clockwise.

    Bilinear interpolation between the four nearest pixels; all pixels outside are 0.
    """
    height, width, channels = shape
    row, column, channel = _places(shape)
    centre_row, centre_column = (height - 1) / 2, (width - 1) / 2
    below, right = np.float32(row - centre_row), np.float32(column - centre_column)
    angle = jnp.deg2rad(degrees)[:, None]
    cosine, sine = jnp.cos(angle), jnp.sin(angle)
    # Where each pixel's value comes from, (n, inputs).
    from_row = cosine * below + sine * right + centre_row - down[:, None]
    from_column = cosine * right - sine * below + centre_column - across[:, None]
    top, left = jnp.floor(from_row).astype(jnp.int32), jnp.floor(from_column).astype(jnp.int32)
    rows, columns = _weights(top, from_row - top, height), _weights(left, from_column - left, width)
    result = jnp.zeros_like(x)
    for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
        result += rows[i] * columns[j] * _read(x, ((top + i) * width + left + j) * channels + channel)
    return result


def partners(key: Array, counted: Array | int, size: int) -> Array:
    """(size,) for each row of a batch the one it is mixed with: all are rotated by one random offset, so that none meets itself.

    Only the first `counted` rows take part (their number is data); the rest are their own partners, as is a row alone.
    """
    row = jnp.arange(size, dtype=jnp.int32)
    counted = jnp.asarray(counted, jnp.int32)
    other = row + 1 + jnp.floor(hashed_uniform(key, ()) * (counted - 1)).astype(jnp.int32)
    return jnp.where(row < counted, jnp.where(other < counted, other, other - counted), row)


def shares(seed: int, alpha: float, steps: int) -> np.ndarray:
    """(steps,) for each step the share of an example that is kept as its partner is mixed in: Beta(alpha, alpha) (Zhang et al. 2018).

    The same `seed` gives the same shares, fewer steps the first of them; alpha 0 gives 1 everywhere, which mixes nothing. Shares below
    one half are left as they are: to keep l of each row and 1 - l of that `o` places on gives the same mixtures as to keep 1 - l and l
    of that `o` places back, and `partners` draws both offsets equally often, so folding would change nothing.
    """
    if alpha == 0:
        return np.ones(steps)
    return np.random.default_rng([seed, zlib.crc32(b"mixup")]).beta(alpha, alpha, steps)


def _series(shape: tuple[int, ...]) -> bool:
    return shape[1] == 1


def _places(shape: tuple[int, ...]) -> np.ndarray:
    """(3, inputs) row, column and channel of each input."""
    return np.indices(shape, np.int32).reshape(3, -1)


def _weights(first: Array, beyond: Array, size: int) -> tuple[Array, Array]:
    """Weights of the places `first` and `first` + 1 for a point that lies `beyond` the first; 0 for places outside."""
    return jnp.where((first >= 0) & (first < size), 1 - beyond, 0), jnp.where((first >= -1) & (first < size - 1), beyond, 0)


def _read(x: Array, places: ArrayLike) -> Array:
    """Entries of each row of x (n, inputs) at `places` (n, inputs); the nearest end of the row for those beyond it."""
    # This form of indexing compiles to the quickest loop of those measured; matrices of interpolation take several times as long.
    return jnp.take_along_axis(x, jnp.clip(places, 0, x.shape[1] - 1), 1, mode="promise_in_bounds")
