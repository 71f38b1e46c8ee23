"""Augmentation: moves and turns against SciPy, noise and draws by their moments, and nothing at all where the amounts are 0."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st
from scipy import ndimage, stats

from wdviz.augmentation import augment, partners, shares, shifted, turned
from wdviz.regularisers import hashed_normal

KEY = jax.random.key(0, impl="rbg")
IMAGE, COLOUR, SERIES = (8, 8, 1), (5, 7, 3), (24, 1, 1)
SHAPES = (IMAGE, COLOUR, SERIES, (10, 1, 2))
NOTHING: dict[str, Any] = {"shift": 0.0, "rotation": 0.0, "jitter": 0.0}

augmented = jax.jit(augment, static_argnums=2)
move = jax.jit(shifted, static_argnums=1)
turn = jax.jit(turned, static_argnums=1)
draw_partners = jax.jit(partners, static_argnums=2)

quick = limits(max_examples=30, deadline=None)
whole, seeds = st.integers(-3, 3), st.integers(0, 2**20)


def rows(n: int, inputs: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, inputs)).astype(np.float32)


def amounts(**changed: float) -> dict[str, Any]:
    return {name: np.float32(value) for name, value in (NOTHING | changed).items()}


def steps(value: int) -> np.ndarray:
    return np.array([value], np.int32)


def degrees(value: float) -> np.ndarray:
    return np.array([value], np.float32)


# Moves and turns of given size


@quick
@given(st.sampled_from((IMAGE, COLOUR)), whole, whole, seeds)
def test_images_move_as_scipy_moves_them(shape, down, across, seed):
    x = rows(1, int(np.prod(shape)), seed)
    moved = np.asarray(move(x, shape, steps(down), steps(across)))
    expected = ndimage.shift(x.reshape(shape), (down, across, 0), order=0, mode="grid-constant")
    np.testing.assert_array_equal(moved.reshape(shape), expected)


@quick
@given(st.sampled_from((SERIES, (10, 1, 2))), whole, whole, seeds)
def test_series_move_in_time_and_repeat_their_ends(shape, down, across, seed):
    x = rows(1, int(np.prod(shape)), seed)
    moved = np.asarray(move(x, shape, steps(down), steps(across)))
    expected = ndimage.shift(x.reshape(shape), (down, 0, 0), order=0, mode="nearest")
    np.testing.assert_array_equal(moved.reshape(shape), expected)


@quick
@given(st.sampled_from((IMAGE, COLOUR)), whole, whole, st.floats(-180, 180, width=32), seeds)
def test_images_move_then_turn_as_scipy_moves_and_turns_them(shape, down, across, angle, seed):
    x = rows(1, int(np.prod(shape)), seed)
    result = turn(x, shape, steps(down), steps(across), degrees(angle))
    # Without an edge in between, so that what a move takes out of sight may be turned into it again.
    wide = ndimage.shift(np.pad(x.reshape(shape), ((9, 9), (9, 9), (0, 0))), (down, across, 0), order=0, mode="grid-constant")
    expected = ndimage.rotate(wide.astype(np.float64), angle, order=1, reshape=False, mode="grid-constant")[9:-9, 9:-9]
    np.testing.assert_allclose(np.asarray(result).reshape(shape), expected, atol=2e-5)


def test_a_quarter_turn_is_that_of_numpy():
    x = rows(3, 64)
    result = np.asarray(turn(x, IMAGE, np.zeros(3, np.int32), np.zeros(3, np.int32), np.full(3, 90, np.float32)))
    np.testing.assert_allclose(result.reshape(3, 8, 8), np.rot90(x.reshape(3, 8, 8), axes=(1, 2)), atol=1e-5)


def test_a_turn_by_nothing_is_a_move():
    x, none = rows(9, 64), np.zeros(9, np.float32)
    down, across = np.random.default_rng(0).integers(-3, 4, (2, 9)).astype(np.int32)
    np.testing.assert_array_equal(turn(x, IMAGE, down, across, none), move(x, IMAGE, down, across))


# What is drawn


@pytest.mark.parametrize("shape", [*SHAPES, ()])
def test_amounts_of_nothing_change_no_bit(shape):
    x = rows(20, int(np.prod(shape)) if shape else 30)
    assert np.asarray(augmented(KEY, x, shape, **amounts())).tobytes() == x.tobytes()
    assert np.any(augmented(KEY, x, shape, **amounts(jitter=0.1)) != x)


def test_other_data_than_images_and_series_get_noise_alone():
    x = rows(20, 30)
    np.testing.assert_array_equal(augmented(KEY, x, (), **amounts(shift=3, rotation=30)), x)


def test_series_do_not_turn():
    x = rows(20, 24)
    np.testing.assert_array_equal(augmented(KEY, x, SERIES, **amounts(shift=2, rotation=30)), augmented(KEY, x, SERIES, **amounts(shift=2)))


def shifts_drawn(shape: tuple[int, ...], shift: int, keys: int = 40, n: int = 50) -> np.ndarray:
    """(keys, n, 2) how far a single dot has moved down and across; the dot starts in the middle."""
    inputs = int(np.prod(shape))
    start = np.array((shape[0] // 2, shape[1] // 2))
    dot = np.zeros((n, inputs), np.float32)
    dot[:, start[0] * shape[1] + start[1]] = 1
    moved = [augmented(jax.random.fold_in(KEY, t), dot, shape, **amounts(shift=shift)) for t in range(keys)]
    return np.stack(np.divmod(np.argmax(moved, 2), shape[1]), 2) - start


@pytest.mark.parametrize("shift", [1, 2, 3])
def test_all_shifts_are_as_likely(shift):
    for shape, side in ((IMAGE, 2 * shift + 1), (SERIES, 1)):
        moved = shifts_drawn(shape, shift)
        assert np.abs(moved).max() == shift
        cells = (moved[..., 0] + shift) * side + (moved[..., 1] + shift if side > 1 else 0)
        counts = np.bincount(cells.ravel(), minlength=(2 * shift + 1) * side)
        assert len(counts) == (2 * shift + 1) * side
        assert stats.chisquare(counts).pvalue > 1e-3


def test_rows_and_steps_move_independently():
    moved = shifts_drawn(IMAGE, 3, keys=100).astype(float)  # (keys, rows, 2)
    for a, b in ((moved[:, 0], moved[:, 1]), (moved[0], moved[1]), (moved[..., 0].ravel(), moved[..., 1].ravel())):
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 4 / np.sqrt(a.size)


def test_turns_are_uniform_in_their_range():
    # Of a ramp across, the row through the centre shows the cosine and the column through it the sine of the angle.
    shape, limit = (7, 7, 1), 30.0
    ramp = np.tile(np.broadcast_to(np.arange(7.0) - 3, (7, 7)).ravel(), (500, 1)).astype(np.float32)
    image = np.asarray(augmented(KEY, ramp, shape, **amounts(rotation=limit))).reshape(-1, 7, 7)
    angles = np.degrees(np.arctan2(image[:, 4, 3], image[:, 3, 4]))
    assert np.abs(angles).max() <= limit
    assert stats.kstest(angles, stats.uniform(-limit, 2 * limit).cdf).pvalue > 1e-3


def test_noise_has_its_spread_and_is_independent_of_the_moves():
    x = np.zeros((200, 64), np.float32)
    added = np.stack([augmented(jax.random.fold_in(KEY, t), x, IMAGE, **amounts(shift=1, jitter=0.3)) for t in range(20)]) / 0.3
    size = added.size
    assert abs(added.mean()) < 4 / np.sqrt(size)
    assert added.std() == pytest.approx(1, abs=4 / np.sqrt(2 * size))
    moved = shifts_drawn(IMAGE, 1, keys=20, n=200)
    # The first numbers drawn for the noise are those of the first row's pixels, the first drawn for the moves those of the first rows.
    for noise, move in ((added[:, 0], moved[:, :64, 0]), (added[:, :, 0], moved[..., 0]), (added[:, :, 30], moved[..., 1])):
        assert abs(np.corrcoef(noise.ravel(), move.ravel())[0, 1]) < 4 / np.sqrt(noise.size)


def test_hashed_normal_numbers_are_normal():
    numbers = np.stack([np.asarray(hashed_normal(jax.random.fold_in(KEY, t), (5000,))) for t in range(40)])
    assert np.isfinite(numbers).all()
    assert stats.skew(numbers.ravel()) == pytest.approx(0, abs=4 * np.sqrt(6 / numbers.size))
    assert stats.kurtosis(numbers.ravel()) == pytest.approx(0, abs=4 * np.sqrt(24 / numbers.size))
    assert stats.kstest(numbers.ravel(), stats.norm.cdf).pvalue > 1e-3
    assert abs(np.corrcoef(numbers[:-1].ravel(), numbers[1:].ravel())[0, 1]) < 4 / np.sqrt(numbers.size)


def test_the_lowest_and_highest_hashed_numbers_stay_finite(monkeypatch):
    ends = jnp.asarray([0.0, 1 - 2.0**-24], jnp.float32)
    monkeypatch.setattr("wdviz.regularisers.hashed_uniform", lambda *_: ends)
    np.testing.assert_allclose(hashed_normal(KEY, (2,)), [-5.3, 5.2], atol=0.2)


# Mixing


@quick
@given(st.integers(1, 40), seeds)
def test_partners_are_a_permutation_in_which_nobody_meets_himself(counted, seed):
    size = 40
    other = np.asarray(draw_partners(jax.random.fold_in(KEY, seed), np.int32(counted), size))
    np.testing.assert_array_equal(np.sort(other), np.arange(size))
    np.testing.assert_array_equal(other[counted:], np.arange(counted, size))
    offsets = (other - np.arange(size))[:counted] % counted
    assert np.ptp(offsets) == 0  # a rotation
    assert offsets[0] >= 1 or counted == 1


def test_all_other_rows_are_as_likely_partners():
    first = jax.vmap(lambda t: partners(jax.random.fold_in(KEY, t), 6, 8)[0])(jnp.arange(600))
    counts = np.bincount(first, minlength=6)
    assert len(counts) == 6
    assert counts[0] == 0
    assert stats.chisquare(counts[1:]).pvalue > 1e-3


@pytest.mark.parametrize("alpha", [0.1, 0.2, 1.0, 2.0])
def test_shares_follow_the_beta_distribution(alpha):
    values = shares(3, alpha, 3000)
    assert values.shape == (3000,)
    assert ((values >= 0) & (values <= 1)).all()
    assert stats.kstest(values, stats.beta(alpha, alpha).cdf).pvalue > 1e-3


def test_shares_depend_on_the_seed_and_fewer_steps_have_the_first_ones():
    long = shares(5, 0.4, 3000)
    np.testing.assert_array_equal(shares(5, 0.4, 3000), long)
    for few in (1, 7, 500):
        np.testing.assert_array_equal(shares(5, 0.4, few), long[:few])
    assert abs(np.corrcoef(shares(6, 0.4, 3000), long)[0, 1]) < 4 / np.sqrt(3000)


def test_without_mixup_everything_is_kept():
    np.testing.assert_array_equal(shares(0, 0.0, 50), np.ones(50))


def test_folding_the_shares_would_change_nothing():
    # With offset o and share l the batch holds the same mixtures as with offset n - o and share 1 - l.
    x, share, offset = rows(6, 3), 0.3, 2
    mixed = share * x + (1 - share) * np.roll(x, -offset, 0)
    other = (1 - share) * x + share * np.roll(x, offset, 0)
    np.testing.assert_allclose(mixed, np.roll(other, -offset, 0), rtol=1e-6)
