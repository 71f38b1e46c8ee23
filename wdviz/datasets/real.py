"""Real sets: small, openly available tables that ship with scikit-learn, palmerpenguins and sktime, so nothing is downloaded."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import numpy as np
from sklearn import datasets as shipped

from wdviz.datasets.card import Card, Dataset, Floats, Numbers
from wdviz.settings import MAX_TRAIN, Task

Table = tuple[Floats, Numbers]

PENGUIN_MEASUREMENTS = ("bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g")
PENGUIN_SPECIES = ("Adelie", "Chinstrap", "Gentoo")
POWER_FILES = ("ItalyPowerDemand_TRAIN.ts", "ItalyPowerDemand_TEST.ts")  # the archive's own split, which is not used here


@lru_cache(maxsize=1)
def digits() -> Table:
    """Images of 8 x 8 pixels from 0 to 16, row by row, and the digit."""
    return _table(shipped.load_digits())


@lru_cache(maxsize=1)
def breast_cancer() -> Table:
    """Thirty measures of cell nuclei, and the diagnosis: 0 malignant, 1 benign."""
    return _table(shipped.load_breast_cancer())


@lru_cache(maxsize=1)
def wine() -> Table:
    """Thirteen chemical measures, and the cultivar."""
    return _table(shipped.load_wine())


@lru_cache(maxsize=1)
def iris() -> Table:
    """Four lengths and widths in cm, and the species."""
    return _table(shipped.load_iris())


@lru_cache(maxsize=1)
def diabetes() -> Table:
    """Raw measurements: the version that scikit-learn scales has seen all rows, test rows included."""
    return _table(shipped.load_diabetes(scaled=False))


@lru_cache(maxsize=1)
def penguins() -> Table:
    """The four measurements and the species; rows with a missing measurement are left out."""
    from palmerpenguins import load_penguins  # here, because it imports pandas, which only this set needs

    table = load_penguins().dropna(subset=list(PENGUIN_MEASUREMENTS))
    species = [PENGUIN_SPECIES.index(name) for name in table["species"]]
    return table[list(PENGUIN_MEASUREMENTS)].to_numpy(dtype=np.float64), np.array(species)


@lru_cache(maxsize=1)
def power_demand() -> Table:
    """The 24 hourly values of each day and its half of the year; a line of a file is values, a colon and the class, 1 or 2.

    The files are read as they stand: importing sktime takes over a second, reading them a hundredth.
    """
    folder = Path(str(distribution("sktime").locate_file("sktime/datasets/data/ItalyPowerDemand")))
    lines = [line for file in POWER_FILES for line in (folder / file).read_text(encoding="utf-8").splitlines()]
    days = [line.split(":") for line in lines if not line.startswith(("#", "@"))]
    return np.array([values.split(",") for values, _ in days], dtype=np.float64), np.array([int(label) - 1 for _, label in days])


def _table(bunch: Any) -> Table:
    return np.asarray(bunch.data, dtype=np.float64), np.asarray(bunch.target)


def _entry(
    name: str,
    rows: int,
    classes: tuple[str, ...],
    features: tuple[str, ...],
    load: Callable[[], Table],
    card: Card,
    sizes: tuple[int, int, int] | None = None,
    divisor: float = 0.0,
    shape: tuple[int, ...] = (),
) -> Dataset:
    """A real set with fixed part sizes: about 50 % for training, 20 % for validation and 30 % for testing, or `sizes`."""
    n_validation, n_test = math.ceil(0.2 * rows), math.ceil(0.3 * rows)
    capacity, n_validation, n_test = sizes or (rows - n_validation - n_test, n_validation, n_test)
    task: Task = "classification" if classes else "regression"
    return Dataset(name, task, len(features), classes, features, capacity, n_validation, n_test, card, False, load, divisor, shape)


_AXES = "The first two principal components of the scaled training inputs; every other direction is held at its mean"
_UNSTATED = "None stated with the file; {}, which ships it, is BSD 3-Clause"

REAL = (
    _entry(
        "digits",
        1797,
        tuple("0123456789"),
        tuple(f"pixel row {row} column {column}" for row in range(8) for column in range(8)),
        digits,
        Card(
            "Handwritten digits",
            "Images of 8 x 8 pixels of the digits 0 to 9, by 13 writers.",
            "E. Alpaydin and C. Kaynak, 1998, test part; UCI Machine Learning Repository, data set 80; shipped with scikit-learn",
            _UNSTATED.format("scikit-learn"),
            "1797 images in 10 classes; 500 for training, 200 for validation, 800 for testing, 297 unused",
            _AXES,
            "No values are missing. Three border pixels are blank in every image; all pixels are divided by 16 rather than standardised.",
        ),
        sizes=(MAX_TRAIN, 200, 800),
        # Standardising would divide by the spread of border pixels that hardly ever differ from 0, which turns a single dot into a
        # huge input; one common divisor also keeps the pixels of an image comparable with each other.
        divisor=16.0,
        shape=(8, 8, 1),
    ),
    _entry(
        "breast cancer",
        569,
        ("malignant", "benign"),
        tuple(
            name
            for part in ("mean {}", "{} error", "worst {}")
            for name in map(
                part.format,
                (
                    "radius",
                    "texture",
                    "perimeter",
                    "area",
                    "smoothness",
                    "compactness",
                    "concavity",
                    "concave points",
                    "symmetry",
                    "fractal dimension",
                ),
            )
        ),
        breast_cancer,
        Card(
            "Breast cancer",
            "Thirty measures of the cell nuclei in an image of a needle sample; the classes are the diagnoses.",
            "W. Wolberg, N. Street and O. Mangasarian, 1995; UCI Machine Learning Repository, data set 17; shipped with scikit-learn",
            _UNSTATED.format("scikit-learn"),
            "569 samples: 212 malignant, 357 benign; 284 for training, 114 for validation, 171 for testing",
            _AXES,
            "No values are missing. In 13 samples all measures of concavity and of concave points are 0; they are kept.",
        ),
    ),
    _entry(
        "wine",
        178,
        ("cultivar 1", "cultivar 2", "cultivar 3"),
        (
            "alcohol",
            "malic acid",
            "ash",
            "alcalinity of ash",
            "magnesium",
            "total phenols",
            "flavanoids",
            "nonflavanoid phenols",
            "proanthocyanins",
            "color intensity",
            "hue",
            "od280/od315 of diluted wines",
            "proline",
        ),
        wine,
        Card(
            "Wine",
            "Thirteen chemical measures of wines from one region of Italy; the classes are three grape cultivars.",
            "M. Forina and others, PARVUS; UCI Machine Learning Repository, data set 109; shipped with scikit-learn",
            _UNSTATED.format("scikit-learn"),
            "178 wines: 59, 71 and 48 of the three cultivars; 88 for training, 36 for validation, 54 for testing",
            _AXES,
            "No values are missing.",
        ),
    ),
    _entry(
        "iris",
        150,
        ("setosa", "versicolor", "virginica"),
        ("sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)"),
        iris,
        Card(
            "Iris",
            "Length and width of the sepals and petals of iris flowers; the classes are three species.",
            "R. A. Fisher, 1936, as printed (the copy in the UCI Machine Learning Repository has two errors); shipped with scikit-learn",
            _UNSTATED.format("scikit-learn"),
            "150 flowers, 50 of each species; 75 for training, 30 for validation, 45 for testing",
            _AXES,
            "No values are missing. Two flowers have the same four measurements; both are kept, so one may test what the other taught.",
        ),
    ),
    _entry(
        "penguins",
        342,
        PENGUIN_SPECIES,
        ("bill length (mm)", "bill depth (mm)", "flipper length (mm)", "body mass (g)"),
        penguins,
        Card(
            "Palmer penguins",
            "Size measurements of penguins near Palmer Station, Antarctica; the classes are three species.",
            "K. Gorman, T. Williams and W. Fraser, 2014, doi:10.1371/journal.pone.0090081; shipped with palmerpenguins",
            "CC0, as palmerpenguins states",
            "342 penguins: 151 Adelie, 68 Chinstrap, 123 Gentoo; 170 for training, 69 for validation, 103 for testing",
            _AXES,
            "2 of the 344 penguins have no measurements at all and are left out. Island, sex and year are not used as inputs.",
        ),
    ),
    _entry(
        "diabetes",
        442,
        (),
        (
            "age (years)",
            "sex",
            "body mass index",
            "blood pressure",
            "total cholesterol (s1)",
            "LDL cholesterol (s2)",
            "HDL cholesterol (s3)",
            "total / HDL cholesterol (s4)",
            "log triglycerides (s5)",
            "blood sugar (s6)",
        ),
        diabetes,
        Card(
            "Diabetes",
            "Ten measurements of patients; the target is how far their diabetes had progressed one year later (25 to 346).",
            "B. Efron, T. Hastie, I. Johnstone and R. Tibshirani, 2004, Least Angle Regression; shipped with scikit-learn",
            _UNSTATED.format("scikit-learn"),
            "442 patients; 220 for training, 89 for validation, 133 for testing",
            _AXES,
            "No values are missing. Sex is coded 1 and 2 and used as a number. Targets are standardised by the training targets. "
            "There are no labels to flip: flipped labels do nothing here.",
        ),
    ),
    _entry(
        "power demand",
        1096,
        ("October to March", "April to September"),
        tuple(f"hour {hour}" for hour in range(1, 25)),
        power_demand,
        Card(
            "Power demand",
            "Electric power that Italy used in each of the 24 hours of a day; the classes are the two halves of the year.",
            "E. Keogh, L. Wei and others, 2006, Intelligent Icons (ItalyPowerDemand); UCR Time Series Archive; shipped with sktime",
            _UNSTATED.format("sktime"),
            "1096 days: 547 from October to March, 549 from April to September; 500 for training, 196 for validation, 400 for testing",
            _AXES,
            "No values are missing. The archive has scaled each day to mean 0 and standard deviation 1, and numbers the classes without "
            "a word on which is which: the one with its evening peak in hour 20 is taken for the winter, that in hour 22 for the summer.",
        ),
        sizes=(MAX_TRAIN, 196, 400),
        # Each day has mean 0 and deviation 1 already, by its own values, so nothing leaks and one scale holds for all hours.
        # Standardising hour by hour would take away the daily course itself and blow up the night hours, in which all days are alike.
        divisor=1.0,
        shape=(24, 1, 1),
    ),
)
