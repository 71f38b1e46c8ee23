"""What a visitor can choose: one table of fields that drives widgets, links and validation alike."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from wdviz.specs import Checked, Choice, Number, Several, Text, of, specs

Task = Literal["classification", "regression"]

MAX_TRAIN = 500
MAX_STEPS = 3000
CHECKPOINTS = 60


def _grid(low: int, high: int, mantissas: tuple[float, ...]) -> tuple[float, ...]:
    return (*(float(f"{m}e{e}") for e in range(low, high) for m in mantissas), float(f"1e{high}"))


DECAYS = (0.0, *_grid(-4, 2, (1, 2, 3, 5, 7)))
LEARNING_RATES = _grid(-4, 1, (1, 2, 3, 5, 7))
DATASETS = (
    *("moons", "circles", "gaussians", "xor", "spirals", "sine"),
    *("digits", "breast cancer", "wine", "iris", "penguins", "diabetes", "power demand"),
)
REGULARISERS = ("augmentation", "batch norm", "dropout", "early stopping", "input noise", "l1", "label smoothing", "mixup")
MODELS = ("feedforward", "linear", "convolutional", "recurrent", "attention")
BUDGETS = (0, 500, 1000, 2000, 4000, 8000, 16000)
PARTS = (
    "first layer",
    "middle layers",
    "output layer",
    "biases",
    "norm scales",
    "recurrent matrix",
    "embedding and positions",
    "queries and keys",
    "values and projection",
    "feedforward block",
)
DECAY_ON = ("weights", "weights and biases", "everything", "all but the output layer", *PARTS)


@dataclass(frozen=True)
class Settings(Checked):
    """Everything a visitor can choose. Field names are also the widget keys and the names in the address.

    Raises:
        ValueError: for a value that is not allowed; the message names the value and what is allowed.
    """

    dataset: str = of(Choice("Data set", "Toy sets are drawn afresh for each seed; real ones are split afresh.", "Data", DATASETS), "moons")
    n_train: int = of(Number("Training points", "How many examples the network may learn from.", "Data", 4, MAX_TRAIN, 1), 40)
    noise: float = of(
        Number(
            "Noise",
            "Spread of the toy sets' points around their shape; for real sets, of noise added to the scaled training inputs.",
            "Data",
            0,
            1,
            0.01,
        ),
        0.2,
    )
    flip: float = of(Number("Flipped labels", "Share of the training labels that are replaced by a wrong one.", "Data", 0, 0.5, 0.01), 0.15)
    seed: int = of(Number("Seed", "The same seed gives the same data, start and curves.", "Data", 0, 9999, 1), 0)
    edits: str = of(
        Text("Edited points", "Training points taken away or put in by hand; all repetitions then share their points.", "Data"), ""
    )

    model: str = of(
        Choice(
            "Model",
            "A linear model, or a network: fully connected (feedforward), convolutional, recurrent, or an attention encoder. "
            "The last three take images and series only.",
            "Network",
            MODELS,
        ),
        "feedforward",
    )
    budget: int = of(
        Choice(
            "Parameters",
            "The width is chosen so that the network has about so many parameters; 0: as wide as 'Hidden units' says.",
            "Network",
            BUDGETS,
        ),
        0,
    )
    width: int = of(Choice("Hidden units", "Units in each hidden layer.", "Network", (4, 8, 16, 32, 48, 64, 128)), 48)
    depth: int = of(Choice("Hidden layers", "How many hidden layers.", "Network", (1, 2, 3, 4)), 2)
    activation: str = of(
        Choice("Activation", "The non-linear function of each hidden unit.", "Network", ("relu", "tanh", "gelu", "sigmoid")), "relu"
    )
    pooling: str = of(
        Choice(
            "Pooling",
            "How a convolutional network halves its image after each layer: the mean or the largest.",
            "Network",
            ("mean", "max"),
            needs="convolutional",
        ),
        "mean",
    )
    cell: str = of(
        Choice("Recurrent cell", "A plain tanh unit, or one with gates: GRU, LSTM.", "Network", ("tanh", "gru", "lstm"), needs="recurrent"),
        "tanh",
    )
    tokens: str = of(
        Choice(
            "Tokens",
            "What an attention network attends to: rows of the image (steps of the series), or patches of 2 x 2 pixels (4 steps).",
            "Network",
            ("rows", "patches"),
            needs="attention",
        ),
        "rows",
    )
    heads: int = of(Choice("Attention heads", "Each attends in a space of its own.", "Network", (1, 2, 4), needs="attention"), 4)
    summary: str = of(
        Choice(
            "Read from",
            "The answer is read from the mean of all tokens, or from a learnt class token.",
            "Network",
            ("mean", "class token"),
            needs="attention",
        ),
        "mean",
    )

    decay: float = of(
        Number(
            "Weight decay",
            "How strongly the weights are pulled to zero, times the learning rate unless the kind is independent; 0 is none.",
            "Decay",
            0,
            100,
            grid=DECAYS,
        ),
        2.0,
    )
    decay_kind: str = of(
        Choice(
            "Kind of decay",
            "Decoupled: each step shrinks weights by learning rate x decay (SGDW, AdamW). Coupled: decay x weight is added to the "
            "gradient (L2). Independent: each step shrinks weights by decay, whatever the learning rate, but with its "
            "schedule (as in the paper on AdamW).",
            "Decay",
            ("decoupled", "coupled", "independent"),
        ),
        "decoupled",
    )
    decay_on: str = of(Choice("What decays", "Usually the weights only: biases and norm scales are spared.", "Decay", DECAY_ON), "weights")
    spare: str = of(Choice("But not", "A part of what decays that is spared.", "Decay", ("none", *PARTS)), "none")
    switch_at: int = of(
        Number("Switch at step", "After so many steps another weight decay takes over; 0 is never.", "Decay", 0, MAX_STEPS, 10), 0
    )
    decay_after: float = of(
        Number("Decay after the switch", "The weight decay from the switch on; 0 is none.", "Decay", 0, 100, grid=DECAYS), 0.0
    )

    optimiser: str = of(Choice("Optimiser", "How a gradient becomes a step.", "Training", ("adam", "momentum", "sgd")), "adam")
    learning_rate: float = of(
        Number(
            "Learning rate",
            "Size of each step (the peak, where a schedule changes it).",
            "Training",
            1e-4,
            10,
            grid=LEARNING_RATES,
        ),
        0.03,
    )
    momentum: float = of(
        Number("Momentum", "Share of the last step that is kept; used by the momentum optimiser only.", "Training", 0, 0.99, 0.01), 0.9
    )
    schedule: str = of(
        Choice("Schedule", "How the learning rate changes over training.", "Training", ("cosine", "constant", "warm-up")), "cosine"
    )
    steps: int = of(Number("Training steps", "How often the weights are updated.", "Training", 10, MAX_STEPS, 10), 600)
    batch_size: int = of(
        Choice("Batch size", "Examples in each step; all of them where there are not more.", "Training", (16, 32, 64, 128, 256, 512)), 64
    )
    seeds: int = of(Number("Seeds", "How many repetitions, each with its own data, start and batches.", "Training", 1, 20, 1), 5)

    regularisers: tuple[str, ...] = of(Several("Also use", "Other regularisers, used in both arms.", "Regularisers", REGULARISERS), ())
    dropout: float = of(
        Number("Dropout rate", "Chance that a hidden unit is left out of a training step.", "Regularisers", 0, 0.9, 0.05, needs="dropout"),
        0.3,
    )
    l1: float = of(
        Number(
            "L1 strength",
            "Pulls each weight that decays towards zero, and to exactly zero, by learning rate x strength a step.",
            "Regularisers",
            0,
            1,
            grid=(0.0, *_grid(-5, 0, (1, 2, 5))),
            needs="l1",
        ),
        1e-3,
    )
    input_noise: float = of(
        Number(
            "Input noise",
            "Standard deviation of fresh noise on the inputs at each training step.",
            "Regularisers",
            0,
            2,
            0.05,
            needs="input noise",
        ),
        0.2,
    )
    label_smoothing: float = of(
        Number(
            "Label smoothing",
            "Share of each label that is spread evenly over all classes.",
            "Regularisers",
            0,
            0.9,
            0.05,
            needs="label smoothing",
        ),
        0.1,
    )
    shift: int = of(
        Number(
            "Shift",
            "Each training image or series is moved by up to so many pixels or steps, anew at each step.",
            "Regularisers",
            0,
            3,
            1,
            needs="augmentation",
        ),
        1,
    )
    rotation: float = of(
        Number("Rotation", "Each training image is turned by up to so many degrees.", "Regularisers", 0, 30, 1.0, needs="augmentation"), 0.0
    )
    augmentation_noise: float = of(
        Number(
            "Noise of augmentation",
            "Standard deviation of the noise on the moved inputs, in units of the inputs as the network sees them.",
            "Regularisers",
            0,
            1,
            0.05,
            needs="augmentation",
        ),
        0.0,
    )
    mixup: float = of(
        Number(
            "Mixup",
            "Pairs of examples and their labels are mixed with a share from the Beta(a, a) distribution; this is a, 0 mixes nothing.",
            "Regularisers",
            0,
            2,
            0.1,
            needs="mixup",
        ),
        0.2,
    )
    patience: int = of(
        Number(
            "Patience",
            "Steps without a lower validation loss before training stops.",
            "Regularisers",
            10,
            MAX_STEPS,
            10,
            needs="early stopping",
        ),
        200,
    )

    @property
    def decaying(self) -> str:
        """What decays, in words."""
        return self.decay_on if self.spare == "none" else f"{self.decay_on}, but not {self.spare}"

    @property
    def hidden(self) -> tuple[int, ...]:
        """Units of each hidden layer, first to last; empty for the linear model."""
        return () if self.model == "linear" else (self.width,) * self.depth


SPECS = specs(Settings)
OWN = {model: tuple(name for name, spec in SPECS.items() if spec.needs == model) for model in MODELS}  # choices of one model alone
# Of each regulariser that is nothing without them its amounts. (Patience is none: little of it stops early, much of it never.)
AMOUNTS = {
    needs: tuple(name for name, spec in SPECS.items() if isinstance(spec, Number) and spec.needs == needs and spec.low == 0)
    for needs in REGULARISERS
    if needs not in ("batch norm", "early stopping")
}


def shrink_per_step(settings: Settings) -> float | None:
    """Share of a weight that decay alone removes in one step at the peak learning rate; None where there is no fixed share.

    Decoupled, and coupled with plain SGD: learning rate x decay; independent: decay. Coupled with momentum mu the weight obeys
    w[t+1] = (1 + mu - learning rate x decay) w[t] - mu w[t-1], and shrinks by 1 - the larger root's size once the momentum has built
    up: about learning rate x decay / (1 - mu) where that is small, at most 1 - sqrt(mu), and negative where it diverges. Coupled with
    Adam: none, since Adam rescales the penalty's gradient (Loshchilov & Hutter 2019).
    """
    rate = decay_rate(settings, settings.decay)
    if settings.decay_kind != "coupled" or settings.optimiser == "sgd":
        return rate
    if settings.optimiser == "adam":
        return None
    half_trace = (1 + settings.momentum - rate) / 2
    inner = half_trace**2 - settings.momentum
    return 1 - (abs(half_trace) + math.sqrt(inner) if inner >= 0 else math.sqrt(settings.momentum))


def decay_rate(settings: Settings, decay: float) -> float:
    """What multiplies a weight's own size in one step at the peak learning rate: learning rate x decay, or decay where independent."""
    return decay if settings.decay_kind == "independent" else settings.learning_rate * decay


def half_life(shrink: float) -> float:
    """Steps until decay alone halves a weight that loses the share `shrink` a step; infinite for 0, 0 where it is gone at once."""
    if not 0 <= shrink:
        raise ValueError(f"shrink is {shrink!r}; it must be 0 or more")
    return math.inf if shrink == 0 else math.log(2) / -math.log1p(-shrink) if shrink < 1 else 0.0
