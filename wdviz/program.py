"""What training takes: a `Program`, of which each is compiled once, and `Hyperparameters`, which are data to it."""

from __future__ import annotations

from dataclasses import dataclass, fields

from wdviz.settings import AMOUNTS, CHECKPOINTS, MAX_STEPS, SPECS, Settings, Task


@dataclass(frozen=True)
class Program:
    """What decides shapes and branches: one `Program` is one compiled function. Padded sizes, not actual ones."""

    task: Task
    inputs: int
    outputs: int
    n_train: int  # capacity: rows of the padded training arrays
    n_validation: int
    n_test: int
    family: str = "feedforward"  # one of `MODELS`; the linear one is a feedforward network without hidden layers
    shape: tuple[int, ...] = ()  # (height, width, channels) of an input of images; (steps, 1, channels) of series; () of others
    hidden: tuple[int, ...] = (48, 48)  # units, channels, or width of the tokens, of each layer or block
    activation: str = "relu"
    pooling: str = "mean"
    cell: str = "tanh"
    tokens: str = "rows"
    heads: int = 4
    summary: str = "mean"
    optimiser: str = "adam"
    decay_kind: str = "decoupled"
    schedule: str = "cosine"
    batch_size: int = 64
    regularisers: tuple[str, ...] = ()
    grid: int = 0  # points at which the final predictions are wanted
    film: bool = False  # also weights and grid predictions at each checkpoint
    max_steps: int = MAX_STEPS
    checkpoints: int = CHECKPOINTS
    precision: str = "float32"

    @property
    def architecture(self) -> Program:
        """The program without what training alone needs, so that networks of one architecture share what is compiled to look at them."""
        kept = ("family", "shape", "hidden", "activation", "pooling", "cell", "tokens", "heads", "summary")
        norm = tuple(name for name in self.regularisers if name == "batch norm")
        return Program(self.task, self.inputs, self.outputs, 1, 1, 1, regularisers=norm, **{name: getattr(self, name) for name in kept})


@dataclass(frozen=True)
class Hyperparameters:
    """Amounts, data to the compiled function: changing one compiles nothing."""

    decay: float = 0.0
    decay_on: str = "weights"  # becomes a 0/1 factor for each parameter array
    spare: str = "none"  # a part that is taken out again
    decay_after: float = 0.0  # decay from step `switch_at` on
    switch_at: int = 0  # steps done with `decay`; 0, or `steps` and more: all of them
    learning_rate: float = 0.03
    momentum: float = 0.9
    steps: int = 500
    dropout: float = 0.0
    first_rate: float = 1.0  # the first layer's weight learns at so many times the learning rate
    l1: float = 0.0
    input_noise: float = 0.0
    label_smoothing: float = 0.0
    shift: int = 0
    rotation: float = 0.0
    augmentation_noise: float = 0.0
    mixup: float = 0.0
    early: bool = True  # whether a program with early stopping stops early
    patience: int = MAX_STEPS
    seed: int = 0

    @classmethod
    def of(cls, settings: Settings, seed: int) -> Hyperparameters:
        """The amounts that `settings` names, for one seed; of regularisers that it leaves out, nothing."""
        shared = {f.name: getattr(settings, f.name) for f in fields(cls) if f.name in SPECS and f.name != "seed"}
        chosen = settings.regularisers
        shared |= {name: 0 for needs, names in AMOUNTS.items() if needs not in chosen for name in names}
        if settings.decay_kind == "independent":  # the step multiplies by the learning rate, so its peak is taken out here
            shared |= {name: shared[name] / settings.learning_rate for name in ("decay", "decay_after")}
        return cls(**shared, early="early stopping" in chosen, seed=seed)
