"""What a page asks beside its one network: grids, folds, how often. Tables of the same kind as `Settings`, one a page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from wdviz.settings import DECAYS, LEARNING_RATES, PARTS, Settings
from wdviz.specs import Checked, Choice, Number, Several, of, specs

REACHED = (0.01, 0.02, 0.05, *(i / 20 for i in range(2, 15)), 0.8, 0.9, 1.0, 1.5, 2.0, 3.0, 5.0)


@dataclass(frozen=True)
class Probe(Checked):
    """The Sensitivity page."""

    image: int = of(Number("Image", "Which test image is looked at.", "Probe", 0, 99, 1), 0)
    jitter: float = of(
        Number("Noise on the image", "Standard deviation of the noise on its pixels, which run from 0 to 1.", "Probe", 0, 1, 0.05), 0.2
    )


@dataclass(frozen=True)
class Search(Checked):
    """The Tuning page."""

    folds: int = of(Number("Folds", "The training points are cut into so many parts; each is held out once.", "Search", 2, 20, 1), 5)
    repeats: int = of(Number("Repeats", "How often the folds are drawn anew.", "Search", 1, 10, 1), 1)
    candidates: int = of(Number("Decays tried", "How many values, evenly spaced on a logarithmic scale, beside 0.", "Search", 1, 25, 1), 12)
    lowest: float = of(Number("Lowest decay", "The grid starts here.", "Search", DECAYS[1], DECAYS[-1], grid=DECAYS[1:]), 0.05)
    highest: float = of(Number("Highest decay", "The grid ends here.", "Search", DECAYS[1], DECAYS[-1], grid=DECAYS[1:]), 50.0)


@dataclass(frozen=True)
class Landscape(Checked):
    """The Learning rate page."""

    against: str = of(
        Choice(
            "Second map",
            "The first map is decoupled decay, times the learning rate. Coupled: decay x weight is added to the gradient. Independent: "
            "decoupled, not times the learning rate.",
            "Maps",
            ("coupled", "independent"),
        ),
        "coupled",
    )
    side: int = of(Number("Values a side", "So many learning rates and so many decays, no decay among them.", "Maps", 3, 16, 1), 12)
    map_seeds: int = of(Number("Seeds a cell", "How often each cell is trained; the maps show the median.", "Maps", 1, 8, 1), 3)
    rate_from: float = of(Number("Lowest learning rate", "The maps' left edge.", "Maps", 1e-4, 10, grid=LEARNING_RATES), 0.001)
    rate_to: float = of(Number("Highest learning rate", "The maps' right edge.", "Maps", 1e-4, 10, grid=LEARNING_RATES), 0.3)
    decay_from: float = of(
        Number("Lowest decay of the maps", "The row above that of no decay.", "Maps", DECAYS[1], DECAYS[-1], grid=DECAYS[1:]), 0.0005
    )
    decay_to: float = of(Number("Highest decay of the maps", "The maps' top edge.", "Maps", DECAYS[1], DECAYS[-1], grid=DECAYS[1:]), 50.0)
    reach: float = of(
        Number("Loss to reach", "Counted are the steps until the loss is first as low as this.", "Speed", 0.01, 5, grid=REACHED), 0.2
    )


COMBINED = ("decay", "augmentation", "dropout", "batch norm", "label smoothing", "early stopping")
RIVALS = {  # strengths that stand against decay's: the setting of each, and the highest value
    "dropout": ("dropout", 0.8),
    "shift": ("shift", 3),
    "rotation": ("rotation", 30.0),
    "noise of augmentation": ("augmentation_noise", 0.8),
    "label smoothing": ("label_smoothing", 0.6),
    "input noise": ("input_noise", 1.0),
    "mixup": ("mixup", 2.0),
    "l1": ("l1", 0.1),
}


@dataclass(frozen=True)
class Combine(Checked):
    """The Combinations page."""

    factors: tuple[str, ...] = of(
        Several("Combined", "All combinations of these are trained; two at least.", "Combinations", COMBINED),
        ("augmentation", "batch norm", "decay", "dropout"),
    )
    others: str = of(
        Choice(
            "The others are",
            "When two are looked at together: the others off, or averaged over all their combinations.",
            "Combinations",
            ("off", "averaged"),
        ),
        "off",
    )
    judged_by: str = of(
        Choice("Judged by", "What the answer and the first picture of each card go by.", "Combinations", ("loss", "accuracy")), "loss"
    )
    rival: str = of(
        Choice("Map: decay against", "Whose strength is varied together with decay's.", "Combinations", tuple(RIVALS)), "dropout"
    )
    strengths: int = of(Number("Values a side", "So many strengths and so many decays, none among them.", "Combinations", 3, 10, 1), 7)
    strength_seeds: int = of(Number("Seeds a cell", "How often each cell of the map is trained.", "Combinations", 1, 8, 1), 2)
    least_decay: float = of(
        Number("Lowest decay of the map", "The row above that of no decay.", "Combinations", DECAYS[1], DECAYS[-1], grid=DECAYS[1:]), 0.1
    )
    most_decay: float = of(
        Number("Highest decay of the map", "The map's top edge.", "Combinations", DECAYS[1], DECAYS[-1], grid=DECAYS[1:]), 20.0
    )


FAMILIES = ("feedforward", "convolutional", "recurrent", "attention")


@dataclass(frozen=True)
class Families(Checked):
    """The Architectures page."""

    inside: str = of(
        Choice("Look into", "The network that is opened, and whose parts are decayed one at a time.", "Architectures", FAMILIES),
        "recurrent",
    )
    decaying: str = of(
        Choice(
            "Which parts decay",
            "In all networks that have such a part. As set: what 'What decays' and 'But not' say, under Training.",
            "Architectures",
            ("as set", "everything", "weights", *PARTS),
        ),
        "as set",
    )
    matched: int = of(
        Choice("Parameters each", "All networks are made as wide as gives about so many.", "Architectures", (1000, 2000, 4000, 8000)), 2000
    )
    layers_each: int = of(Choice("Layers each", "Hidden layers, or blocks of attention.", "Architectures", (1, 2, 3)), 1)
    stand_in: str = of(
        Choice(
            "Instead of points",
            "Three of the four networks need images or series. Where the data set is neither, this one is taken in its place; "
            "none: the networks that cannot take it are left out.",
            "Architectures",
            ("digits", "power demand", "none"),
        ),
        "digits",
    )
    moment: int = of(
        Number("Training so far", "At which point of the training the network is opened, in per cent.", "Inside", 0, 100, 5), 100
    )
    example: int = of(Number("Test input", "The one whose attention is looked at.", "Inside", 0, 11, 1), 0)


TABLES = (Settings, Probe, Search, Landscape, Combine, Families)
ALL_SPECS = {name: spec for table in TABLES for name, spec in specs(table).items()}


def between(grid: Sequence[float], low: float, high: float, count: int, *, name: str) -> tuple[float, ...]:
    """`count` values of an ascending grid, evenly spaced on a logarithmic scale from `low` to `high`; fewer where it has no more.

    Arguments:
        name: what the values are, for the message: "decay" or "learning rate".

    Raises:
        ValueError: for a range that is reversed, or that holds a single value: then there is nothing to choose between.
    """
    if low > high:
        raise ValueError(f"the range is reversed: the lowest {name} is {low:g} and the highest {high:g}; swap them")
    if low == high or count < 2:
        only = f"from {low:g} to {high:g}" if low == high else f"of {count} value"
        raise ValueError(f"a grid {only} leaves no {name} to choose between; take two values at least")
    found = [min(grid, key=lambda v: abs(math.log(v / low) - at * math.log(high / low))) for at in (i / (count - 1) for i in range(count))]
    return tuple(dict.fromkeys(found))
