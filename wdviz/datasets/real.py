"""Real sets: small, openly available tables that ship with scikit-learn and palmerpenguins, so nothing is downloaded."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from sklearn import datasets as shipped

from wdviz.datasets.card import Card, Dataset, Floats, Numbers
from wdviz.settings import MAX_TRAIN, Task

Table = tuple[Floats, Numbers]

PENGUIN_MEASUREMENTS = ("bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g")
PENGUIN_SPECIES = ("Adelie", "Chinstrap", "Gentoo")


@lru_cache(maxsize=1)
def digits() -> Table:
    return _table(shipped.load_digits())


@lru_cache(maxsize=1)
def breast_cancer() -> Table:
    return _table(shipped.load_breast_cancer())


@lru_cache(maxsize=1)
def wine() -> Table:
    return _table(shipped.load_wine())


@lru_cache(maxsize=1)
def iris() -> Table:
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
) -> Dataset:
    """A real set with fixed part sizes: about 50 % for training, 20 % for validation and 30 % for testing, or `sizes`."""
    n_validation, n_test = math.ceil(0.2 * rows), math.ceil(0.3 * rows)
    capacity, n_validation, n_test = sizes or (rows - n_validation - n_test, n_validation, n_test)
    task: Task = "classification" if classes else "regression"
    return Dataset(name, task, len(features), classes, features, capacity, n_validation, n_test, card, False, load, divisor)


_AXES = "The first two principal components of the scaled training inputs; every other direction is held at its mean"
_CC_BY = "CC BY 4.0"

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
            _CC_BY,
            "1797 images in 10 classes; 500 for training, 200 for validation, 800 for testing, 297 unused",
            _AXES,
            "No values are missing. Three border pixels are blank in every image; all pixels are divided by 16 rather than standardised.",
        ),
        sizes=(MAX_TRAIN, 200, 800),
        # Standardising would divide by the spread of border pixels that hardly ever differ from 0, which turns a single dot into a
        # huge input; one common divisor also keeps the pixels of an image comparable with each other.
        divisor=16.0,
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
            _CC_BY,
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
            "S. Aeberhard and M. Forina, 1991; UCI Machine Learning Repository, data set 109; shipped with scikit-learn",
            _CC_BY,
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
            "R. A. Fisher, 1936; UCI Machine Learning Repository, data set 53; shipped with scikit-learn",
            _CC_BY,
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
            "CC0 1.0",
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
            "None stated by the authors; scikit-learn, which ships the file, is BSD 3-Clause",
            "442 patients; 220 for training, 89 for validation, 133 for testing",
            _AXES,
            "No values are missing. Sex is coded 1 and 2 and used as a number. Targets are standardised by the training targets. "
            "There are no labels to flip: flipped labels do nothing here.",
        ),
    ),
)
