"""What of the settings a network can take: models that fit the data, parts that it has, parameters that it needs."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from wdviz import models, regularisers, runs, training
from wdviz.runs import Run
from wdviz.settings import MODELS, PARTS, SPECS, Settings
from wdviz.specs import Choice


def offered(settings: Settings, name: str) -> tuple[str, ...]:
    """Which options of a choice make sense with the other settings: models that take the data, parts that the network has."""
    spec = SPECS[name]
    assert isinstance(spec, Choice)
    if name == "model":
        return tuple(model for model in MODELS if runs.takes(model, settings.dataset))
    if name == "regularisers":
        return tuple(option for option in spec.options if option != "batch norm" or settings.model != "attention")
    if name in ("decay_on", "spare"):
        return tuple(option for option in spec.options if option not in PARTS or option in parts(settings))
    return spec.options


def fitted(settings: Settings) -> tuple[Settings, list[str]]:
    """The nearest settings that a network can take, and for each that was changed a note that names it and says why."""
    notes: list[str] = []
    if settings.model not in offered(settings, "model"):
        notes.append(
            f"model is {settings.model!r}; it takes images and series only, and {settings.dataset} is neither. "
            "The feedforward network is used."
        )
        settings = replace(settings, model="feedforward", budget=0)
    if settings.model == "attention" and "batch norm" in settings.regularisers:
        notes.append("regularisers name batch norm; attention networks have layer norm in its place, always. Batch norm is left out.")
        settings = replace(settings, regularisers=tuple(r for r in settings.regularisers if r != "batch norm"))
    for name, instead in (("decay_on", "weights"), ("spare", "none")):
        if getattr(settings, name) not in offered(settings, name):
            notes.append(f"{name} is {getattr(settings, name)!r}, which this network does not have. {instead!r} is used.")
            settings = replace(settings, **{name: instead})
    return settings, notes


def parts(settings: Settings) -> tuple[str, ...]:
    """Which of `settings.PARTS` the network has."""
    return regularisers.parts(_arrays(_plain(settings)))


def decaying(settings: Settings) -> frozenset[str]:
    """The components, such as `layer1`, whose weights decay."""
    factors = regularisers.decay_factors(_arrays(_plain(settings)), settings.decay_on, settings.spare)
    return frozenset(name for name, leaves in factors.items() if leaves.get("weight"))


def size(settings: Settings) -> tuple[int, int]:
    """How many parameters the network has, and its width: units, channels or numbers a token; 0 for the linear model."""
    return _size(_plain(settings))


def _plain(settings: Settings) -> Settings:
    """Only what decides the network, so that few are looked at anew."""
    names = ("dataset", "model", "width", "depth", "budget", "cell", "tokens", "heads", "summary")
    norm = tuple(r for r in settings.regularisers if r == "batch norm")
    return Settings(**{name: getattr(settings, name) for name in names}, regularisers=norm)


@lru_cache(maxsize=256)
def _arrays(settings: Settings) -> dict[str, tuple[str, ...]]:
    return training.arrays_of(runs.program_for(Run(settings, 0)))


@lru_cache(maxsize=256)
def _size(settings: Settings) -> tuple[int, int]:
    program = runs.program_for(Run(settings, 0))
    return models.parameter_count(program), program.hidden[0] if program.hidden else 0
