"""Widgets made from the one table of fields in `settings`: key, address name and settings field are the same word."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import streamlit as st

from wdviz import datasets
from wdviz.settings import SPECS, Choice, Number, Settings, Several
from wdviz.ui import address

DEFAULTS: dict[str, Any] = asdict(Settings())

# Behind "More": what one seldom touches.
SHOWN = {
    "Data": ("dataset", "n_train", "flip"),
    "Network": ("model", "width", "depth"),
    "Training": ("optimiser", "decay_kind", "learning_rate", "steps"),
    "Regularisers": ("regularisers",),
}
MORE = {
    "Data": ("noise", "seed"),
    "Network": ("activation",),
    "Training": ("decay_on", "schedule", "momentum", "batch_size", "seeds"),
    "Regularisers": ("dropout", "l1", "input_noise", "label_smoothing", "patience"),
}


def sidebar(suggested: Mapping[str, Mapping[str, Any]]) -> None:
    """All controls but the decay itself. `suggested`: for each data set, settings that suit it, set when it is picked."""
    with st.sidebar:
        left, right = st.columns(2)
        left.button("Reset", on_click=put, args=(DEFAULTS,), help="All settings back to the start.", width="stretch")
        right.button("New seed", on_click=_next_seed, help="Other data, start and batches.", width="stretch")
        for group, names in SHOWN.items():
            st.subheader(group, anchor=False)
            for name in names:
                after = (lambda: put({**suggested.get(_value("dataset"), {})})) if name == "dataset" else None
                control(name, on_change=after)
            if group == "Data":
                _card(_value("dataset"))
            with st.popover("More", key=f"more_{group}", width="stretch"):
                for name in MORE[group]:
                    control(name)


def control(name: str, *, on_change: Callable[[], None] | None = None) -> None:
    """The widget of one settings field, bound to the address."""
    spec, default = SPECS[name], DEFAULTS[name]
    common: dict[str, Any] = {
        "key": name,
        "help": spec.help,
        "bind": "query-params",
        "on_change": on_change,
        "disabled": not _matters(name),
    }
    match spec:
        case Several():
            st.pills(spec.label, spec.options, selection_mode="multi", default=default, **common)
        case Choice():
            st.selectbox(spec.label, spec.options, index=spec.options.index(default), **common)
        case Number(grid=(_, *_)):
            st.select_slider(spec.label, spec.grid, value=default, format_func=lambda v: f"{v:g}", **common)
        case Number():
            st.slider(spec.label, _as(spec, spec.low), _as(spec, spec.high), value=default, step=spec.step, **common)


def put(values: Mapping[str, Any]) -> None:
    """Set controls from a callback; the address follows."""
    for name, value in values.items():
        st.session_state[name] = value


def settings() -> tuple[Settings, list[str]]:
    """What the controls say, and notes on what had to be changed to make it valid.

    Values off the grid of a control are moved to its nearest step, so that the caches see only a bounded number of values.
    """
    notes: list[str] = []
    values = {name: _quantised(name, _value(name), notes) for name in SPECS}
    most = datasets.max_train(values["dataset"])
    if values["n_train"] > most:
        notes.append(f"{values['n_train']} training points were asked for; {values['dataset']} has {most} at most, so all {most} are used.")
        values["n_train"] = most
    return Settings(**values), notes


def _value(name: str) -> Any:
    """What a control says; before its first run, what it is going to say: the address's value, or the default.

    So a page can show its picture first and its controls after it, which the browser is slow to build.
    """
    if name in st.session_state:
        return st.session_state[name]
    try:
        return address.value(name, st.query_params.get_all(name)) if name in st.query_params else DEFAULTS[name]
    except ValueError:
        return DEFAULTS[name]


def _quantised(name: str, value: Any, notes: list[str]) -> Any:
    spec, default = SPECS[name], DEFAULTS[name]
    if isinstance(spec, Several):
        value = tuple(sorted(value or ()))
    try:
        spec.check(name, value)
    except ValueError as error:
        notes.append(f"{error}. The default, {default}, is used.")
        return default
    if isinstance(spec, Number):
        if spec.grid:
            return min(spec.grid, key=lambda v: abs(v - value))
        steps = round((value - spec.low) / spec.step)
        return _as(spec, round(spec.low + steps * spec.step, 6))
    return value


def _as(spec: Number, value: float) -> float | int:
    return int(value) if isinstance(spec.step, int) else float(value)


def _matters(name: str) -> bool:
    """Whether a control changes anything with the others as they are."""
    chosen = _value("regularisers") or ()
    if name == "l1":
        return "l1" in chosen
    if name == "momentum":
        return _value("optimiser") == "momentum"
    if name in ("width", "depth", "activation"):
        return _value("model") != "linear"
    if name == "flip":
        return datasets.REGISTRY[_value("dataset")].task == "classification"
    needs = SPECS[name].needs
    return not needs or needs in chosen


def _next_seed() -> None:
    put({"seed": (int(_value("seed")) + max(1, int(_value("seeds")))) % (int(_seed_limit()) + 1)})


def _seed_limit() -> float:
    spec = SPECS["seed"]
    assert isinstance(spec, Number)
    return spec.high


def _card(name: str) -> None:
    card = datasets.REGISTRY[name].card
    with st.popover("About this data set", width="stretch"):
        st.markdown(f"**{card.title}.** {card.description}\n\n{card.axes}")
        st.markdown(
            f"- Size: {card.size}\n- Source: {card.source}\n- Licence: {card.licence}" + (f"\n- {card.notes}" if card.notes else "")
        )
