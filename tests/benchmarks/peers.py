"""The same training in other libraries, written as their users would: a training loop in Python."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from wdviz.datasets import Split
from wdviz.settings import Settings

HAS_TORCH = importlib.util.find_spec("torch") is not None


@dataclass(frozen=True, eq=False)
class Job:
    """One run for every peer: data without padding, settings, the steps at which to evaluate and a seed."""

    settings: Settings
    seed: int
    checkpoints: list[int]  # rising, from 0 to the last step
    x: np.ndarray  # training points
    y: np.ndarray
    x_all: np.ndarray  # training, validation and test points, so that an evaluation is one pass
    y_all: np.ndarray
    sizes: tuple[int, int, int]

    @classmethod
    def of(cls, settings: Settings, split: Split, seed: int, checkpoints: list[int]) -> Job:
        n = split.n_train
        x, y = split.x_train[:n], split.y_train[:n].astype(np.int64)
        x_all, y_all = np.concatenate([x, split.x_validation, split.x_test]), np.concatenate([y, split.y_validation, split.y_test])
        return cls(settings, seed, checkpoints, x.copy(), y, x_all, y_all, (n, len(split.y_validation), len(split.y_test)))

    @property
    def widths(self) -> list[int]:
        return [self.x.shape[1], *self.settings.hidden, int(self.y_all.max()) + 1]

    @property
    def dropout(self) -> float:
        return self.settings.dropout if "dropout" in self.settings.regularisers else 0.0

    def batches(self, shuffle: Callable[[int], Any]) -> Iterator[Any]:
        """Rows of each batch, epoch after epoch, without end; None for the whole set."""
        n, size = len(self.x), self.settings.batch_size
        while True:
            if size >= n:
                yield None
            else:
                order = shuffle(n)
                yield from (order[i : i + size] for i in range(0, n, size))


Records = list[tuple[np.ndarray, np.ndarray]]  # at each checkpoint, losses and accuracies on the three splits


def torch_run(job: Job, *, threads: int, **adamw: bool) -> Records:
    """PyTorch, eager: `nn.Sequential`, AdamW, cosine annealing."""
    return torch_train(job, _sequential, threads=threads, **adamw)


def torch_train(job: Job, network: Callable[[Job], Any], *, threads: int, **adamw: bool) -> Records:
    """The same for another network, which is made once the seed is set."""
    torch: Any = importlib.import_module("torch")
    functional = torch.nn.functional
    torch.set_num_threads(threads)
    torch.manual_seed(job.seed)
    model = network(job)
    s = job.settings
    groups = [
        {"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": s.decay},
        {"params": [p for p in model.parameters() if p.ndim == 1], "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(groups, lr=s.learning_rate, **adamw)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=s.steps)
    x, y, x_all, y_all = map(torch.from_numpy, (job.x, job.y, job.x_all, job.y_all))
    records: Records = []

    def evaluate() -> None:
        model.eval()
        with torch.inference_mode():
            logits = model(x_all)
            losses = functional.cross_entropy(logits, y_all, reduction="none").split(job.sizes)
            right = (logits.argmax(1) == y_all).float().split(job.sizes)
            records.append((torch.stack([v.mean() for v in losses]).numpy(), torch.stack([v.mean() for v in right]).numpy()))
        model.train()

    at = set(job.checkpoints)
    batches = job.batches(torch.randperm)
    evaluate()
    for step in range(1, s.steps + 1):
        rows = next(batches)
        optimiser.zero_grad()
        loss = functional.cross_entropy(model(x), y) if rows is None else functional.cross_entropy(model(x[rows]), y[rows])
        loss.backward()
        optimiser.step()
        schedule.step()
        if step in at:
            evaluate()
    return records


def _sequential(job: Job) -> Any:
    nn: Any = importlib.import_module("torch").nn
    layers: list[Any] = []
    for n_in, n_out in zip(job.widths[:-1], job.widths[1:], strict=True):
        linear = nn.Linear(n_in, n_out)
        nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")
        nn.init.zeros_(linear.bias)
        between = [nn.ReLU(), *([nn.Dropout(job.dropout)] if job.dropout else [])]
        layers += [*(between if layers else []), linear]
    return nn.Sequential(*layers)


Params = list[tuple[jax.Array, jax.Array]]


def jax_forward(params: Params, x: jax.Array, rate: float = 0.0, key: jax.Array | None = None) -> jax.Array:
    for i, (weight, bias) in enumerate(params[:-1]):
        x = jax.nn.relu(x @ weight + bias)
        if key is not None and rate:
            x = jnp.where(jax.random.bernoulli(jax.random.fold_in(key, i), 1 - rate, x.shape), x / (1 - rate), 0)
    return x @ params[-1][0] + params[-1][1]


class JaxLoop:
    """JAX with a compiled step that is called from a Python loop. One instance a workload keeps its compiled functions."""

    def __init__(self, settings: Settings, sizes: tuple[int, int, int], dropout: float) -> None:
        schedule = optax.cosine_decay_schedule(settings.learning_rate, settings.steps)
        self.optimiser = optax.adamw(schedule, weight_decay=settings.decay, mask=lambda p: jax.tree.map(lambda a: a.ndim > 1, p))

        def loss(params: Params, x: jax.Array, y: jax.Array, key: jax.Array) -> jax.Array:
            return optax.softmax_cross_entropy_with_integer_labels(jax_forward(params, x, dropout, key), y).mean()

        def step(params: Params, state: Any, x: jax.Array, y: jax.Array, key: jax.Array, i: int) -> tuple[Any, Any]:
            gradient = jax.grad(loss)(params, x, y, jax.random.fold_in(key, i))
            updates, state = self.optimiser.update(gradient, state, params)
            return optax.apply_updates(params, updates), state

        def evaluate(params: Params, x: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
            logits = jax_forward(params, x)
            losses = optax.softmax_cross_entropy_with_integer_labels(logits, y)
            cuts = (sizes[0], sizes[0] + sizes[1])
            means = [
                jnp.stack([part.mean() for part in jnp.split(v, cuts)]) for v in (losses, (jnp.argmax(logits, 1) == y).astype(x.dtype))
            ]
            return means[0], means[1]

        def of_rows(params: Params, state: Any, x: jax.Array, y: jax.Array, rows: jax.Array, key: jax.Array, i: int) -> tuple[Any, Any]:
            return step(params, state, x[rows], y[rows], key, i)

        self.step, self.step_of_rows = jax.jit(step, donate_argnums=(0, 1)), jax.jit(of_rows, donate_argnums=(0, 1))
        self.evaluate = jax.jit(evaluate)

    def __call__(self, job: Job) -> Records:
        rng = np.random.default_rng(job.seed)
        widths = zip(job.widths[:-1], job.widths[1:], strict=True)
        weights = [rng.normal(0, np.sqrt(2 / n_in), (n_in, n_out)).astype(np.float32) for n_in, n_out in widths]
        params = [(jnp.asarray(w), jnp.zeros(w.shape[1])) for w in weights]
        state = self.optimiser.init(params)
        key = jax.random.key(job.seed)
        x, y, x_all, y_all = map(jnp.asarray, (job.x, job.y, job.x_all, job.y_all))
        at = set(job.checkpoints)
        batches = job.batches(rng.permutation)
        records = [self.evaluate(params, x_all, y_all)]
        for i in range(1, job.settings.steps + 1):
            rows = next(batches)
            if rows is None:
                params, state = self.step(params, state, x, y, key, i)
            else:
                params, state = self.step_of_rows(params, state, x, y, rows, key, i)
            if i in at:
                records.append(self.evaluate(params, x_all, y_all))
        return jax.tree.map(np.asarray, records)  # only here does the loop wait for results


def _mlp(job: Job, l2: float, epochs: int) -> Any:
    """L2 in the convention of optax: scikit-learn divides its `alpha` by the number of points in the batch."""
    size = min(job.settings.batch_size, len(job.x))
    classifier: Any = MLPClassifier  # its inferred signature takes texts only for `batch_size`
    return classifier(
        job.settings.hidden,
        alpha=l2 * size,
        batch_size=size,
        learning_rate_init=job.settings.learning_rate,
        max_iter=epochs,
        tol=0.0,
        n_iter_no_change=epochs,
        random_state=job.seed,
    )


def _epochs(job: Job) -> tuple[int, int]:
    """Steps in an epoch, and epochs in a run."""
    per_epoch = -(-len(job.x) // job.settings.batch_size)
    return per_epoch, -(-job.settings.steps // per_epoch)


def sklearn_run(job: Job, l2: float) -> Records:
    """scikit-learn by `partial_fit`, one epoch a call, evaluated after each epoch that holds a checkpoint."""
    per_epoch, epochs = _epochs(job)
    model = _mlp(job, l2, epochs)
    at = {-(-step // per_epoch) for step in job.checkpoints}
    classes = np.arange(job.widths[-1])
    cuts = np.cumsum(job.sizes)[:-1]
    records: Records = []
    for epoch in range(1, epochs + 1):
        model.partial_fit(job.x, job.y, classes=classes)
        if epoch in at:
            chances = model.predict_proba(job.x_all)
            losses = -np.log(np.maximum(chances[np.arange(len(job.y_all)), job.y_all], 1e-30))
            right = chances.argmax(1) == job.y_all
            records.append((np.array([v.mean() for v in np.split(losses, cuts)]), np.array([v.mean() for v in np.split(right, cuts)])))
    return records


def sklearn_fit(job: Job, l2: float) -> None:
    """scikit-learn by one `fit`, with no evaluation at all."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        _mlp(job, l2, _epochs(job)[1]).fit(job.x, job.y)
