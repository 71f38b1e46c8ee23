"""The training kernel: one run is one call of one compiled function of (amounts, data)."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import fields
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from jax.custom_batching import sequential_vmap
from jax.extend.random import define_prng_impl, rbg_prng_impl
from jax.flatten_util import ravel_pytree

from wdviz import augmentation, models, optimisers, regularisers
from wdviz.compiling import MOST, Programs
from wdviz.program import Hyperparameters, Program
from wdviz.results import SPLITS, History

programs = Programs()
DERIVED = {"decay_on", "spare", "first_rate", "mixup"}  # hyperparameters that reach the kernel as factors, rates and shares
SHARED = ("steps", "checkpoints", "n_train", "n_held")  # by runs that are trained together: loops and shuffles then stay plain ones

# Under `vmap`, JAX draws the random numbers of all runs from the key of the first. One after the other, each draws its own, as alone.
_OWN_DRAWS = define_prng_impl(
    key_shape=rbg_prng_impl.key_shape,
    seed=rbg_prng_impl.seed,
    split=rbg_prng_impl.split,
    random_bits=lambda key, bits, shape: sequential_vmap(lambda k: rbg_prng_impl.random_bits(k, bits, shape))(key),
    fold_in=rbg_prng_impl.fold_in,
    name="rbg, each its own",
)


def train(program: Program, hyper: Hyperparameters, data: Mapping[str, Any]) -> History:
    """Train one network. Equal arguments give equal curves; a seed fixes start, batches and masks whatever the decay.

    Arguments:
        data: `x_train` (program.n_train, inputs) padded beyond its first `n_train` rows, `y_train` likewise (class numbers, or
            values), `x_validation`, `y_validation`, `x_test`, `y_test`, `n_train`, and `grid` (program.grid, inputs). With `n_held`
            above 0 the so many rows after the training rows are held out: they are scored in place of the test set, which is not looked at.

    Returns:
        The history. Divergence is data: losses that are not finite, never an exception.

    Raises:
        ValueError: if an array's shape is not the program's, there are no training rows, or more rows are held out than there are.
    """
    arrays, amounts = _checked(program, data), _amounts(program, hyper)
    raw = compiled(program)(amounts, arrays)
    return _history(program, hyper, jax.tree.map(np.asarray, raw))


def train_many(program: Program, hypers: Sequence[Hyperparameters], data: Sequence[Mapping[str, Any]], chunk: int) -> list[History]:
    """Train networks side by side, for devices that one run leaves idle; on a CPU `train` is faster.

    Each history is what `train` gives but for rounding, which long trainings magnify.

    Arguments:
        hypers, data: of each run, as `train` takes them.
        chunk: how many are trained at once. The last chunk is filled up by repeating its last run, so that its size compiles nothing.

    Raises:
        ValueError: as `train` does, and if runs differ in `steps`, `n_train` or `n_held`.
    """
    arrays, amounts = [_checked(program, d) for d in data], [_amounts(program, h) for h in hypers]
    for name, given in (("steps", amounts), ("n_train", arrays), ("n_held", arrays)):
        found = sorted({int(each[name]) for each in given})
        if len(found) > 1:
            raise ValueError(f"{name} is {', '.join(map(str, found))}; it must be the same for runs that are trained together")
    histories = []
    for start in range(0, len(hypers), chunk):
        rows = [min(start + i, len(hypers) - 1) for i in range(chunk)]
        raw = compiled(program, chunk)(*(_stacked([given[row] for row in rows]) for given in (amounts, arrays)))
        raw = jax.tree.map(np.asarray, raw)
        for i, row in enumerate(rows[: len(hypers) - start]):
            histories.append(_history(program, hypers[row], jax.tree.map(lambda a, i=i: a[i], raw)))
    return histories


def compiled(program: Program, chunk: int = 0) -> Callable[[Any, Any], Any]:
    """The compiled function of a program, for one run or for a chunk of them."""

    def shapes() -> tuple[Any, ...]:
        given = (_amounts(program, Hyperparameters(steps=1)), {n: np.zeros(s.shape, s.dtype) for n, s in _shapes(program).items()})
        if chunk:
            given = tuple(_stacked([each] * chunk) for each in given)
        return jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype), given)

    def many(amounts: dict[str, Any], data: dict[str, Array]) -> dict[str, Any]:
        axes = [{name: None if name in SHARED else 0 for name in given} for given in (amounts, data)]
        return jax.vmap(lambda a, d: _run(program, a, d, _OWN_DRAWS), axes)(amounts, data)

    if chunk:
        return programs.get((program, chunk), many, shapes)
    return programs.get(program, lambda amounts, data: _run(program, amounts, data), shapes)


def checkpoints(steps: int, count: int) -> np.ndarray:
    """(count,) steps at which a run is evaluated: from 0 to `steps`, denser early, repeated where there are fewer steps."""
    return np.round(steps * np.linspace(0, 1, count) ** 2).astype(np.int32)


def _shapes(program: Program) -> dict[str, Any]:
    p, real, label = program, program.precision, program.precision if program.task == "regression" else "int32"
    sizes = {"train": p.n_train, "validation": p.n_validation, "test": p.n_test}
    shapes: dict[str, Any] = {f"x_{s}": jax.ShapeDtypeStruct((n, p.inputs), jnp.dtype(real)) for s, n in sizes.items()}
    shapes |= {f"y_{s}": jax.ShapeDtypeStruct((n,), jnp.dtype(label)) for s, n in sizes.items()}
    grid = jax.ShapeDtypeStruct((p.grid, p.inputs), jnp.dtype(real))
    whole = jax.ShapeDtypeStruct((), jnp.dtype("int32"))
    return shapes | {"grid": grid, "n_train": whole, "n_held": whole}


def _checked(program: Program, data: Mapping[str, Any]) -> dict[str, np.ndarray]:
    arrays = {}
    given = {"grid": np.zeros((0, program.inputs)), "n_held": 0} | dict(data)
    for name, shape in _shapes(program).items():
        array = np.asarray(given[name], shape.dtype)
        if array.shape != shape.shape:
            raise ValueError(f"{name} has shape {array.shape}; this program takes {shape.shape}")
        arrays[name] = array
    if not 1 <= arrays["n_train"] <= program.n_train:
        raise ValueError(f"n_train is {arrays['n_train']}; it must be from 1 to {program.n_train}")
    if not 0 <= arrays["n_held"] <= program.n_train - arrays["n_train"]:
        raise ValueError(f"n_held is {arrays['n_held']}; it must be from 0 to {program.n_train - arrays['n_train']}, the rows left")
    return arrays


def _amounts(program: Program, hyper: Hyperparameters) -> dict[str, Any]:
    """The amounts as arrays of fixed types: a Python float in one call and an array in the next would be two compilations."""
    if not 1 <= hyper.steps <= program.max_steps:
        raise ValueError(f"steps is {hyper.steps}; it must be from 1 to {program.max_steps}")
    real = np.dtype(program.precision)
    amounts = {f.name: real.type(getattr(hyper, f.name)) for f in fields(hyper) if f.name not in DERIVED}
    if "mixup" in program.regularisers:
        # Drawn here, since drawing from a Beta distribution would double the time that compilation takes.
        amounts["shares"] = augmentation.shares(hyper.seed, hyper.mixup, program.max_steps).astype(real)
    return amounts | {
        "seed": np.uint32(hyper.seed),
        "steps": np.int32(hyper.steps),
        "switch_at": np.int32(hyper.switch_at if 0 < hyper.switch_at < hyper.steps else program.max_steps + 1),
        "early": np.bool_(hyper.early),
        "patience": np.int32(hyper.patience),
        "checkpoints": checkpoints(hyper.steps, program.checkpoints),
        "factors": _factors(program, hyper.decay_on, hyper.spare),
        "rates": _rates(program, hyper.first_rate),
    }


@lru_cache(maxsize=4 * MOST)
def _factors(program: Program, decay_on: str, spare: str) -> dict[str, dict[str, np.floating]]:
    return jax.tree.map(np.dtype(program.precision).type, regularisers.decay_factors(arrays_of(program), decay_on, spare))


@lru_cache(maxsize=4 * MOST)
def _rates(program: Program, first: float) -> dict[str, dict[str, np.floating]]:
    """For each parameter array its learning rate as a multiple of the shared one: `first` for the first layer's weight, 1 for others."""
    real, arrays = np.dtype(program.precision).type, arrays_of(program)
    return {name: {leaf: real(first if (name, leaf) == (next(iter(arrays)), "weight") else 1) for leaf in arrays[name]} for name in arrays}


@lru_cache(maxsize=4 * MOST)
def arrays_of(program: Program) -> dict[str, tuple[str, ...]]:
    """For each component of the network, first to last, the names of its arrays."""
    params, _ = jax.eval_shape(lambda key: models.init(program, key), jax.random.key(0))
    return {name: tuple(params[name]) for name in models.layer_names(program)}


def _stacked(given: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Amounts or data of several runs as one, with a leading axis except where it is shared."""
    return {
        name: first if name in SHARED else jax.tree.map(lambda *a: np.stack(a), *(each[name] for each in given))
        for name, first in given[0].items()
    }


def _weighted(program: Program) -> tuple[str, ...]:
    """The components that have a weight, first to last."""
    return tuple(name for name, leaves in arrays_of(program).items() if "weight" in leaves)


def _run(program: Program, amounts: dict[str, Any], data: dict[str, Array], draws: Hashable = "rbg") -> dict[str, Any]:
    """One whole run: a scan over checkpoints, and between two of them a loop over steps whose bounds are data."""
    key = jax.random.key(amounts["seed"], impl=draws)
    start, state = models.init(program, jax.random.fold_in(key, 0))
    # All parameters as one vector: an optimiser's step is then a few operations, not a few for each of the arrays.
    params, unravel = ravel_pytree(start)
    for name in ("factors", "rates"):
        spread = jax.tree.map(lambda p, f: jnp.full(p.shape, f), start, amounts[name])
        amounts = amounts | {name: ravel_pytree(spread)[0]}
    evaluate = _evaluator(program, amounts, data, unravel)
    carry = {
        "params": params,
        "state": state,
        "optimiser": _optimiser(program, amounts, amounts["learning_rate"]).init(params),
        "update": jnp.zeros_like(params),
        "order": jnp.arange(program.n_train),
        "shrink": jnp.ones((), program.precision),
        "step_losses": jnp.full(program.max_steps, jnp.nan, program.precision),
        "stopped": jnp.bool_(False),
        "kept": {
            "loss": jnp.asarray(jnp.inf, program.precision),
            "index": jnp.int32(0),
            "step": jnp.int32(0),
            "params": params,
            "state": state,
        },
    }
    step = _stepper(program, amounts, data, jax.random.fold_in(key, 1), unravel)
    early = "early stopping" in program.regularisers

    def to_checkpoint(carry: dict[str, Any], at: tuple[Array, Array, Array]) -> tuple[dict[str, Any], dict[str, Any]]:
        index, start, end = at
        carry = jax.lax.fori_loop(start, jnp.where(carry["stopped"], start, end), step, carry)
        record = evaluate(carry, end)
        record["stopped"] = carry["stopped"]
        now = {"loss": record["losses"][1], "index": index, "step": end, "params": carry["params"], "state": carry["state"]}
        if early:
            better = (now["loss"] < carry["kept"]["loss"]) | ~amounts["early"]
            now = jax.tree.map(lambda new, old: jnp.where(better, new, old), now, carry["kept"])
            carry["stopped"] |= amounts["early"] & (end - now["step"] >= amounts["patience"])
        if program.film:
            record["film_params"] = unravel(carry["params"])
            record["film_grid"] = _predict(program, record["film_params"], carry["state"], data["grid"])
        return carry | {"kept": now}, record

    ends = amounts["checkpoints"]
    starts = jnp.concatenate([jnp.zeros(1, ends.dtype), ends[:-1]])
    carry, records = jax.lax.scan(to_checkpoint, carry, (jnp.arange(len(ends), dtype=ends.dtype), starts, ends))
    kept = carry["kept"]
    return records | {
        "step_losses": carry["step_losses"],
        "kept": kept["index"],
        "start": start,
        "params": unravel(kept["params"]),
        "model_state": kept["state"],
        "grid": _predict(program, unravel(kept["params"]), kept["state"], data["grid"]),
    }


def _decay(amounts: dict[str, Any], step: Array) -> Array:
    """The decay in force in `step`, counted from 0: that after the switch once `switch_at` steps are done."""
    return jnp.where(step < amounts["switch_at"], amounts["decay"], amounts["decay_after"])


def _optimiser(program: Program, amounts: dict[str, Any], rate: Array) -> optax.GradientTransformation:
    l1 = amounts["l1"] if "l1" in program.regularisers else None
    names = ("decay", "factors", "momentum")
    rates = rate * amounts["rates"]
    return optimisers.make(program.optimiser, program.decay_kind, learning_rate=rates, l1=l1, **{n: amounts[n] for n in names})


def _stepper(
    program: Program, amounts: dict[str, Any], data: dict[str, Array], key: Array, unravel: Callable[[Array], Any]
) -> Callable[[Array, Any], Any]:
    """The function of (step, carry) that draws a batch and updates the weights once."""
    size = min(program.batch_size, program.n_train)
    n = data["n_train"]
    per_epoch = (n + size - 1) // size

    def shuffled(t: Array) -> Array:
        draws = jax.random.uniform(jax.random.fold_in(jax.random.fold_in(key, t), 102), (program.n_train,))
        # Padded rows sort behind the real ones, so the first n entries are a permutation of the training points.
        return jnp.argsort(jnp.where(jnp.arange(program.n_train) < n, draws, 2.0))

    def loss(params: Any, state: Any, x: Array, y: Array, valid: Array, key: Array, share: Array) -> tuple[Array, Any]:
        if "augmentation" in program.regularisers:
            how = {"shift": amounts["shift"], "rotation": amounts["rotation"], "jitter": amounts["augmentation_noise"]}
            x = augmentation.augment(jax.random.fold_in(key, 103), x, program.shape, **how)
        if "input noise" in program.regularisers:
            x = regularisers.input_noise(jax.random.fold_in(key, 101), x, amounts["input_noise"])
        smoothing = amounts["label_smoothing"] if "label smoothing" in program.regularisers else None
        other = None
        if "mixup" in program.regularisers:
            other = augmentation.partners(jax.random.fold_in(key, 104), jnp.sum(valid).astype("int32"), size)
            x = share * x + (1 - share) * x[other]
        output, state = models.apply(program, unravel(params), state, x, valid=valid, key=key, dropout=amounts["dropout"])
        losses = example_loss(program, output, y, smoothing)
        if other is not None:  # the loss on mixed labels, but for a constant where they are values
            losses = share * losses + (1 - share) * example_loss(program, output, y[other], smoothing)
        return jnp.sum(valid * losses) / jnp.sum(valid), state

    def step(t: Array, carry: dict[str, Any]) -> dict[str, Any]:
        key_t = jax.random.fold_in(key, t)
        place = t % per_epoch
        # With the whole set in one batch its order is of no account, and sorting at each step would cost more than the step.
        new_epoch = (place == 0) & (n > size)
        order = jax.lax.cond(new_epoch, shuffled, lambda _: carry["order"], t)
        rows = place * size + jnp.arange(size)
        valid = (rows < n).astype(program.precision)
        chosen = order[jnp.minimum(rows, program.n_train - 1)]
        share = amounts["shares"][t] if "mixup" in program.regularisers else jnp.ones((), program.precision)
        (value, state), gradient = jax.value_and_grad(loss, has_aux=True)(
            carry["params"], carry["state"], data["x_train"][chosen], data["y_train"][chosen], valid, key_t, share
        )
        rate = optimisers.learning_rate(program.schedule, amounts["learning_rate"], t, amounts["steps"])
        decay = _decay(amounts, t)
        update, optimiser = _optimiser(program, amounts | {"decay": decay}, rate).update(gradient, carry["optimiser"], carry["params"])
        return carry | {
            "params": optax.apply_updates(carry["params"], update),
            "state": state,
            "optimiser": optimiser,
            "update": update,
            "order": order,
            "shrink": carry["shrink"] * (1 - rate * decay),
            "step_losses": carry["step_losses"].at[t].set(value),
        }

    return step


def _evaluator(
    program: Program, amounts: dict[str, Any], data: dict[str, Array], unravel: Callable[[Array], Any]
) -> Callable[[dict[str, Any], Array], dict[str, Any]]:
    """The function of (carry, steps done) that measures the network on all three splits in one pass."""
    x = jnp.concatenate([data[f"x_{s}"] for s in SPLITS])
    y = jnp.concatenate([data[f"y_{s}"] for s in SPLITS])
    part = jnp.repeat(jnp.arange(3), jnp.array([program.n_train, program.n_validation, program.n_test]), total_repeat_length=len(y))
    row, n, held = jnp.arange(len(y)), data["n_train"], data["n_held"]
    held_out = (n <= row) & (row < n + held)  # training rows come first
    last = jnp.where(held > 0, held_out, part == 2)
    member = jnp.stack([row < n, part == 1, last]).astype(program.precision)  # (3, examples)
    count = jnp.sum(member, 1)
    share = member / count[:, None]

    def evaluate(carry: dict[str, Any], done: Array) -> dict[str, Any]:
        params, update = unravel(carry["params"]), unravel(carry["update"])
        output, _ = models.apply(program, params, carry["state"], x)
        per_example = example_loss(program, output, y)
        if program.task == "classification":
            # Counted before it is divided: shares that do not quite add up to 1 would give accuracies above 1.
            scores = member @ (jnp.argmax(output, 1) == y).astype(program.precision) / count
        else:
            variance = jnp.sum(share * (y - (share @ y)[:, None]) ** 2, 1)
            scores = 1 - 2 * (share @ per_example) / variance
        weights, updates = ([tree[name]["weight"] for name in _weighted(program)] for tree in (params, update))
        return {
            "losses": share @ per_example,
            "scores": scores,
            "shrink": carry["shrink"],
            "penalty": regularisers.penalty(carry["params"], amounts["factors"], _decay(amounts, done)),
            "norms": jnp.stack([jnp.linalg.norm(w) for w in weights]),
            "angles": jnp.stack([_angle(w - u, w) for w, u in zip(weights, updates, strict=True)]),
        }

    return evaluate


def example_loss(program: Program, output: Array, y: Array, smoothing: Array | None = None) -> Array:
    """(n,) cross-entropy in nats of logits (n, classes), or half the squared error of predictions (n, 1)."""
    if program.task == "regression":
        return 0.5 * (output[:, 0] - y) ** 2
    targets = jax.nn.one_hot(y, program.outputs, dtype=output.dtype)
    if smoothing is not None:
        targets = regularisers.smooth_labels(targets, smoothing)
    return -jnp.sum(targets * jax.nn.log_softmax(output), 1)


def _predict(program: Program, params: Any, state: Any, x: Array) -> Array:
    output, _ = models.apply(program, params, state, x)
    return output if program.task == "regression" else jax.nn.softmax(output)


def _angle(a: Array, b: Array) -> Array:
    """Angle between two arrays in radians, by the chord: accurate for the small angles of one step, where arccos is not."""
    tiny = jnp.finfo(a.dtype).tiny
    chord = jnp.linalg.norm(a / jnp.maximum(jnp.linalg.norm(a), tiny) - b / jnp.maximum(jnp.linalg.norm(b), tiny))
    return 2 * jnp.arcsin(jnp.minimum(chord / 2, 1))


def _history(program: Program, hyper: Hyperparameters, raw: dict[str, Any]) -> History:
    """Drop checkpoints that repeat a step and those after an early stop."""
    at = checkpoints(hyper.steps, program.checkpoints)
    use = np.flatnonzero(np.append(np.diff(at) > 0, True) & ~raw["stopped"])
    kept = int(np.searchsorted(at[use], at[raw["kept"]]))
    film = {name: jax.tree.map(lambda a: a[use], raw[name]) for name in ("film_params", "film_grid") if name in raw}
    return History(
        steps=at[use],
        losses={s: raw["losses"][use, i] for i, s in enumerate(SPLITS)},
        scores={s: raw["scores"][use, i] for i, s in enumerate(SPLITS)},
        penalty=raw["penalty"][use],
        shrink=raw["shrink"][use],
        norms=raw["norms"][use],
        angles=raw["angles"][use],
        step_losses=raw["step_losses"][: at[use][-1]],
        layers=_weighted(program),
        kept=kept,
        start=raw["start"],
        params=raw["params"],
        state=raw["model_state"],
        grid=raw["grid"],
        **film,
    )
