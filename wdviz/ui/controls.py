"""Controls made from the one table of fields in `settings`: widget key, address name and settings field are the same word."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, TypeVar

import streamlit as st

from wdviz import datasets, networks
from wdviz.plans import ALL_SPECS
from wdviz.settings import SPECS, Settings
from wdviz.specs import Checked, Choice, Number, Several, specs
from wdviz.ui import address

Plan = TypeVar("Plan", bound=Checked)
SMALL = 4000  # parameters of a convolutional, recurrent or attention network that was just picked
_FITTED = ("model", "budget", "regularisers", "decay_on", "spare")  # what `networks.fitted` may change
_OPENED = "_opened"  # in the session: that for which the test set was opened

# Behind "More": what one seldom touches. What is on neither list belongs to the stage.
SHOWN = {
    "Data": ("dataset", "n_train", "flip"),
    "Network": ("model", "budget", "width", "depth"),
    "Training": ("optimiser", "decay_kind", "steps"),
    "Regularisers": ("regularisers",),
}
MORE = {
    "Data": ("noise", "seed"),
    "Network": ("activation", "pooling", "cell", "tokens", "heads", "summary"),
    "Training": ("decay_on", "spare", "schedule", "momentum", "batch_size", "seeds"),
    "Regularisers": tuple(name for name, spec in SPECS.items() if spec.group == "Regularisers" and name not in SHOWN["Regularisers"]),
}

_STAGE_HAS = {"Probe", "Inside"}  # groups of the pages' own controls
_OWN = [name for name, spec in ALL_SPECS.items() if name not in SPECS and spec.group not in _STAGE_HAS]
IN_SIDEBAR = {name for names in (*SHOWN.values(), *MORE.values(), _OWN) for name in names}


def sidebar(suggested: Mapping[str, Mapping[str, Any]], plan: type[Checked] | None = None) -> None:
    """All controls that the stage does not have.

    Arguments:
        suggested: for each data set, settings that suit it, set when it is picked.
        plan: the page's own table of controls, shown first.
    """
    chosen, _ = settings()
    for name in _FITTED:  # else a control would have a value that it does not offer
        if _value(name) != getattr(chosen, name):
            st.session_state[name] = getattr(chosen, name)
    with st.sidebar:
        left, right = st.columns(2)
        left.button("Reset", on_click=put, args=(address.START,), help="All settings back to the start.", width="stretch")
        right.button("New seed", on_click=_next_seed, help="Other data, start and batches.", width="stretch")
        own: dict[str, list[str]] = {}
        for name, spec in specs(plan).items() if plan else ():
            if name in IN_SIDEBAR:
                own.setdefault(spec.group, []).append(name)
        for group, names in own.items():
            st.subheader(group, anchor=False)
            for name in names:
                control(name, chosen)
        for group, names in SHOWN.items():
            st.subheader(group, anchor=False)
            for name in names:
                control(name, chosen, on_change={"dataset": _suit(suggested), "model": _narrow}.get(name))
            if group == "Data":
                _card(chosen.dataset)
            if group == "Network":
                st.caption(_size(chosen))
            with st.popover("More", key=f"more_{group}", width="stretch"):
                for name in MORE[group]:
                    control(name, chosen)


def control(name: str, chosen: Settings, *, on_change: Callable[[], None] | None = None) -> None:
    """The widget of one settings field. Its value is in the session already: from the address, or the default."""
    spec = ALL_SPECS[name]
    common: dict[str, Any] = {"key": name, "help": spec.help, "on_change": on_change, "disabled": not _matters(name, chosen)}
    match spec:
        case Several():
            st.pills(spec.label, networks.offered(chosen, name) if name in SPECS else spec.options, selection_mode="multi", **common)
        case Choice():
            st.selectbox(spec.label, networks.offered(chosen, name) if name in SPECS else spec.options, **common)
        case Number(grid=(_, *_)):
            st.select_slider(spec.label, spec.grid, format_func=lambda v: f"{v:g}", **common)
        case Number():
            st.slider(spec.label, _as(spec, spec.low), _as(spec, spec.high), step=spec.step, **common)


def put(values: Mapping[str, Any]) -> None:
    """Set controls from a callback; the address follows."""
    for name, value in values.items():
        st.session_state[name] = value
    if "tested" in values:
        st.session_state[_OPENED] = None


def opened(what: Any) -> bool:
    """Whether the test set may be looked at: the visitor asked for it, and `what` is tested is still the same; else it is sealed again."""
    known = st.session_state.get(_OPENED)
    if shown("tested") and known is not None and known != what:
        st.session_state["tested"] = False
    st.session_state[_OPENED] = what if shown("tested") else None
    return shown("tested")


def put_texts(texts: Mapping[str, str]) -> list[str]:
    """Set controls from texts as in an address; returns notes on what was not allowed. What is no value at all changes nothing."""
    notes: list[str] = []
    for name, text in texts.items():
        try:
            put({name: address.allowed(name, address.value(name, [text]), notes)})
        except ValueError as error:
            notes.append(f"{error}. Nothing was changed.")
    return notes


def settings() -> tuple[Settings, list[str]]:
    """What the controls say, and notes on what had to be changed to make it valid.

    Values off the grid of a control are moved to its nearest step, so that the caches see only a bounded number of values.
    """
    notes: list[str] = []
    chosen, more = _together(tuple(_values(SPECS, notes).items()))
    return chosen, [*notes, *more]


@lru_cache(maxsize=1024)  # checking how all values go together takes milliseconds, and each run of a page asks for it
def _together(given: tuple[tuple[str, Any], ...]) -> tuple[Settings, tuple[str, ...]]:
    """Settings of values that are allowed each by itself, and notes on what had to be changed because of the others."""
    values, notes = dict(given), list[str]()
    most = datasets.max_train(values["dataset"])
    if values["n_train"] > most:
        notes.append(f"{values['n_train']} training points were asked for; {values['dataset']} has {most} at most, so all {most} are used.")
        values["n_train"] = most
    chosen, more = networks.fitted(Settings(**values))
    notes += more
    try:
        datasets.split_for(chosen, chosen.seed)
    except ValueError as error:
        notes.append(f"The edits of the data are left out: {error}.")
        chosen = replace(chosen, edits="")
    return chosen, tuple(notes)


def plan(table: type[Plan]) -> tuple[Plan, list[str]]:
    """What the controls of a page's own table say, and notes as those of `settings`."""
    notes: list[str] = []
    return table(**_values(specs(table), notes)), notes


def _values(names: Iterable[str], notes: list[str]) -> dict[str, Any]:
    return {name: address.allowed(name, _value(name), notes) for name in names}


def shown(name: str) -> bool:
    """Whether a view option is on."""
    return bool(st.session_state.get(name, address.SHOWN[name]))


def all_shown() -> dict[str, bool]:
    """Every view option."""
    return {name: shown(name) for name in address.SHOWN}


def to_address(chosen: Settings) -> None:
    """Write settings, the plans of all pages and view options into the address."""
    of_plans = _values((name for name in ALL_SPECS if name not in SPECS), [])
    address.write({name: getattr(chosen, name) for name in SPECS} | of_plans | all_shown())


def _value(name: str) -> Any:
    return st.session_state[name] if name in st.session_state else address.known(name)


def _as(spec: Number, value: float) -> float | int:
    return int(value) if isinstance(spec.step, int) else float(value)


def _suit(suggested: Mapping[str, Mapping[str, Any]]) -> Callable[[], None]:
    def suit() -> None:
        put({"edits": "", **suggested.get(_value("dataset"), {})})  # edits name the points of another set

    return suit


def _matters(name: str, chosen: Settings) -> bool:
    """Whether a control changes anything with the others as they are."""
    match name:
        case "momentum":
            return chosen.optimiser == "momentum"
        case "budget" | "depth":
            return chosen.model != "linear"
        case "width":
            return chosen.model != "linear" and not chosen.budget
        case "activation":
            return chosen.model not in ("linear", "recurrent")
        case "flip":
            return datasets.REGISTRY[chosen.dataset].task == "classification"
    needs = ALL_SPECS[name].needs
    return not needs or needs in (*chosen.regularisers, chosen.model)


def _narrow() -> None:
    """Give a network that was just picked a width at which it trains in a fraction of a second: layers of the same width differ in cost."""
    put({"budget": 0 if _value("model") in ("feedforward", "linear") else SMALL})


def _size(chosen: Settings) -> str:
    count, width = networks.size(chosen)
    each = {"convolutional": "channels", "attention": "numbers a token"}.get(chosen.model, "units")
    return f"{count:,} parameters" + (f", {width} {each} a layer" if width else "")


def _next_seed() -> None:
    spec = SPECS["seed"]
    assert isinstance(spec, Number)
    put({"seed": (int(_value("seed")) + max(1, int(_value("seeds")))) % (int(spec.high) + 1)})


def _card(name: str) -> None:
    card = datasets.REGISTRY[name].card
    with st.popover("About this data set", width="stretch"):
        st.markdown(f"**{card.title}.** {card.description}\n\n{card.axes}")
        st.markdown(
            f"- Size: {card.size}\n- Source: {card.source}\n- Licence: {card.licence}" + (f"\n- {card.notes}" if card.notes else "")
        )
