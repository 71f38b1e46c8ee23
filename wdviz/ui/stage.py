"""The stage: one component that owns every live picture of a page, and the controls that move them while one drags.

Python describes a `Scene`; assets/stage.js builds it once and afterwards changes only what differs. wdviz/ui/wire.py describes what
travels. What the visitor does on the stage comes back as an "ask", see `Ask`.

Colours may be written as tokens that follow the theme: `var(--ink)`, `var(--mute)`, `var(--grid)`, `var(--paper)`, and, for text in an
arm's colour, `var(--without)` and `var(--with)`.

A figure whose layout has `meta={"put": {"x": {"name": ..., "values": [...]}, "y": ..., "also": {...}}}` can be clicked: a point at
x = 3 sets the setting `name` to the fourth of the texts `values`, and those in `also` as they are. `meta={"least": 284}` asks for so many
pixels of height in front of a class.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property, partial
from typing import Any, Literal

import numpy as np
import streamlit as st
from streamlit.components.v2 import component

from wdviz.figures.draft import Draft
from wdviz.ui import files
from wdviz.ui.shared import Shared
from wdviz.ui.wire import Merged, Part, Wire, is_array

MOST_PICTURES, MOST_PICTURE_BYTES = 1000, 32 * 2**20  # kept of all sessions
MOST_TEXTS = 50  # of one ask that are looked at
_DROPPED = {"title", "transition"}  # the card has a title; with a transition, plotly.js would take half a second to redraw


@dataclass(frozen=True)
class View:
    """One picture of a panel: made when it is sent, with a sentence that says, with live numbers, what it shows."""

    label: str
    draw: Callable[[], Draft]
    say: Callable[[], str]

    @cached_property
    def part(self) -> Part:
        """As it is sent. Made once: a scene is shown to all who want the same."""
        return Part({"label": self.label, "summary": self.say(), **_drawn(self.draw)})


@dataclass(frozen=True)
class Stat:
    """A number above a picture, with its spread over seeds where there is one."""

    label: str
    value: str
    spread: str = ""


@dataclass(frozen=True)
class Offer:
    """A button that sets settings or view options, as texts; `on` where it is pressed already, None where it is no switch."""

    label: str
    put: Mapping[str, str]
    on: bool | None = None
    title: str = ""

    @cached_property
    def part(self) -> Part:
        """As it is sent."""
        return Part({"label": self.label, "put": dict(self.put), "on": self.on, "title": self.title})


@dataclass(frozen=True)
class Progress:
    """How far a long sweep is. `words` say it; a stopped one keeps what is done and can go on."""

    done: int
    total: int
    words: str
    stopped: bool = False


@dataclass(frozen=True)
class Panel:
    """A card of the stage. `name` identifies it across updates, `span` counts columns out of 12 on a wide screen."""

    name: str
    title: str
    views: tuple[View, ...]
    span: int = 6
    tone: Literal["", "without", "with"] = ""
    tag: str = ""
    note: str = ""
    stats: tuple[Stat, ...] = ()
    toggle: str = ""
    height: int = 320
    offer: Offer | None = None


@dataclass(frozen=True)
class Slider:
    """A control of the stage: moved by hand it asks for each value it passes, released it asks for the last one to stay.

    `values` are the steps it stops at, as they are written in the address; `spoken` says for each what it means.
    """

    name: str
    label: str
    help: str
    values: tuple[str, ...]
    spoken: tuple[str, ...]
    at: int

    @cached_property
    def parts(self) -> dict[str, Any]:
        """As it is sent: what stays, what follows the settings, and where it stands."""
        fixed = {"label": self.label, "help": self.help, "values": self.values}
        return {"name": self.name, "at": self.at, "fixed": Part(fixed), "spoken": Part(self.spoken)}


@dataclass(frozen=True, eq=False)
class Points:
    """The training points, for moving them by hand, or why that is not possible here.

    `refs` names each point: its index as drawn, or -1 - k for the k-th added one. `text` holds the edits so far as in the address.
    """

    why_not: str = ""
    xy: np.ndarray = field(default_factory=lambda: np.zeros((0, 2), np.float32))  # (points, 2) float32
    refs: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int32))  # (points,)
    labels: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int32))  # (points,)
    classes: tuple[str, ...] = ()
    colours: tuple[str, ...] = ()
    text: str = ""
    most: int = 500
    least: int = 4

    @cached_property
    def part(self) -> Part:
        """As they are sent."""
        if self.why_not:
            return Part({"whyNot": self.why_not})
        arrays = {"xy": self.xy, "refs": self.refs, "labels": self.labels}
        fixed = {"classes": self.classes, "colours": self.colours, "text": self.text, "most": self.most, "least": self.least}
        return Part(Merged(Part(fixed), arrays))


@dataclass(frozen=True, eq=False)
class Reel:
    """A recorded training run of both arms, for playback. `captions[panel]` has the panel's numbers for each frame, as texts."""

    steps: Mapping[str, np.ndarray]  # arm -> (K,)
    answers: Mapping[str, np.ndarray]  # panel -> (K, G)
    bars: Mapping[str, Mapping[str, np.ndarray]]  # view of the panel "weights" -> arm -> (K, bins)
    captions: Mapping[str, Sequence[Sequence[str]]]


@dataclass(frozen=True)
class Scene:
    """Everything the stage shows."""

    panels: tuple[Panel, ...]
    result: str  # names what is shown: equal for equal settings and finished runs, so a test can tell when it is painted
    film: str = ""  # names what playback shows: a recorded film stays as long as this does; "" where there is nothing to play
    steps: int = 0  # end of the time axis of playback
    answer: str = ""  # the page's answer; **so** is bold
    status: str = ""  # what is still being computed
    more: bool = False  # whether the browser should ask for more once it has painted this
    again: float = 0.0  # after so many seconds
    progress: Progress | None = None  # of a sweep that can be stopped
    offers: tuple[Offer, ...] = ()
    sliders: tuple[Slider, ...] = ()
    readout: tuple[str, str] = ("", "")  # what decay does to a weight; under which convention
    notes: tuple[str, ...] = ()
    switch: str = ""  # the decay to which training switches, if it does, and when, in words
    switch_to: str = ""  # the decay that a new switch starts with
    switch_step: int = 10  # a switch is possible at each multiple of this
    points: Points | None = None  # None where the page shows no training points
    notice: tuple[str, ...] = ()  # what the presenter steps through
    step: int | None = None  # the one of these whose settings these are; None: settings of the visitor's own
    shown: Mapping[str, bool] = field(default_factory=dict)  # view options, by their names in the address
    embedded: bool = False
    reel: Reel | None = None
    only: Mapping[str, str] | None = None  # panel -> the one view worth making now, the first where none is named; None: all of them


@dataclass(frozen=True)
class Hold:
    """No new picture; the last one stays. The browser asks again after `again` seconds, or, where that is None, does not."""

    trouble: str = ""  # what went wrong
    status: str = ""  # what is waited for
    again: float | None = None


@dataclass(frozen=True)
class Ask:
    """What the visitor wants, as the browser sent it, checked.

    `put` holds settings and view options as texts, as in an address. With `live` the hand is still moving: only what shows at once is
    worth computing, and of each panel the `picked` view alone. `film` names the scene of which a film is wanted, `notice` the step to
    go to. `stop` is whether a long sweep should stop or go on; None leaves it as it is.
    """

    put: dict[str, str] = field(default_factory=dict)
    picked: dict[str, str] = field(default_factory=dict)
    live: bool = False
    film: str = ""
    notice: int | None = None
    more: bool = False
    stop: bool | None = None


class Seat:
    """One stage in one session: what its browser has, and which ask was answered last."""

    def __init__(self) -> None:
        self.wire = Wire()
        self.asked = 0

    def take(self, message: Any) -> Ask:
        """Checks a message from the browser. Whatever is not as it should be counts as not said."""
        given: dict[str, Any] = message if isinstance(message, dict) else {}
        self.asked = _whole(given.get("id"))
        self.wire.acknowledge(_whole(given.get("have")))
        notice, film, stop = given.get("notice"), given.get("film"), given.get("stop")
        return Ask(
            put=_texts(given.get("put")),
            picked=_texts(given.get("picked")),
            live=given.get("live") is True,
            film=film if isinstance(film, str) else "",
            notice=notice if isinstance(notice, int) and not isinstance(notice, bool) else None,
            more=given.get("more") is True,
            stop=stop if isinstance(stop, bool) else None,
        )


def _texts(value: Any) -> dict[str, str]:
    given = value if isinstance(value, dict) else {}
    return {str(name): text for name, text in list(given.items())[:MOST_TEXTS] if isinstance(text, str)}


def _whole(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53 else 0


# --- payload ----------------------------------------------------------------------------------------------------------------------


def _trace(trace: Mapping[str, Any]) -> Merged:
    arrays = {name: value for name, value in trace.items() if is_array(value)}
    return Merged(Part({name: value for name, value in trace.items() if name not in arrays}), arrays)


# Pictures taken apart. Known are those that are drawn by a function of hashable arguments: equal arguments give equal pictures.
_pictures: Shared[dict[str, Any]] = Shared(MOST_PICTURES, MOST_PICTURE_BYTES)


def _drawn(draw: Callable[[], Draft]) -> dict[str, Any]:
    """Its figure and its map."""
    if not isinstance(draw, partial):
        return _picture(draw())
    key = draw.func, draw.args, tuple(draw.keywords.items())
    try:
        hash(key)
    except TypeError:
        return _picture(draw())
    return _pictures.get(key, lambda: _picture(draw()), lambda picture: {key: _weight(picture)})


def _weight(picture: dict[str, Any]) -> int:
    """About the bytes that keeping it takes: its arrays, once more packed, and the rest."""
    traces = [*picture["figure"].value["data"], *([picture["map"]] if picture["map"] else [])]
    return 8192 + 2 * sum(array.nbytes for trace in traces for array in trace.arrays.values())


def _picture(drawn: Draft) -> dict[str, Any]:
    """The figure and the map as they are sent."""
    plain = {name: value for name, value in drawn.layout.items() if name not in _DROPPED}
    notes = plain.pop("annotations", ())
    sent = [(_trace(trace), trace) for trace in drawn.data]
    figure = {
        "data": [merged for merged, trace in sent if not _is_map(trace)],
        "layout": Part(plain),
        "annotations": [_note(note) for note in notes],
    }
    # The decision map apart: what plotly.js draws around it often stays the same, and is then not drawn again.
    maps = [merged for merged, trace in sent if _is_map(trace)]
    return {"figure": Part(figure), "map": maps[0] if maps else None}


def _note(note: dict[str, Any]) -> Merged:
    # The labels at the ends of lines move with each change, up and down.
    fixed = {name: value for name, value in note.items() if name != "y"}
    return Merged(Part(fixed), values={"y": round(note["y"], 4)} if "y" in note else {})


def _is_map(trace: Mapping[str, Any]) -> bool:
    return trace["type"] == "heatmap" and (trace.get("meta") or {}).get("kind") == "decision"


def _panel(panel: Panel, only: Mapping[str, str] | None) -> dict[str, Any]:
    labels = [view.label for view in panel.views]
    picked = only.get(panel.name) if only is not None else None
    wanted = labels if only is None else [picked] if picked in labels else labels[:1]
    return {
        "name": panel.name,
        "title": panel.title,
        "span": panel.span,
        "tone": panel.tone,
        "tag": panel.tag,
        "note": panel.note,
        "toggle": panel.toggle,
        "height": panel.height,
        "offer": panel.offer.part if panel.offer else None,
        "stats": [[stat.label, stat.value, stat.spread] for stat in panel.stats],
        "views": [view.part if view.label in wanted else {"label": view.label} for view in panel.views],
    }


def _body(scene: Scene, asked: int) -> dict[str, Any]:
    names = [panel.name for panel in scene.panels]
    if len(set(names)) != len(names):
        raise ValueError(f"panel names must differ: {names}")
    body = {
        "ask": asked,
        "result": scene.result,
        "scene": scene.film,
        "steps": scene.steps,
        "answer": scene.answer,
        "status": scene.status,
        "more": scene.more,
        "again": scene.again,
        "progress": asdict(scene.progress) if scene.progress else None,
        "offers": [offer.part for offer in scene.offers],
        "panels": [_panel(panel, scene.only) for panel in scene.panels],
        "sliders": [slider.parts for slider in scene.sliders],
        "readout": scene.readout,
        "notes": scene.notes,
        "switch": {"words": scene.switch, "to": scene.switch_to, "every": scene.switch_step},
        "points": scene.points.part if scene.points else None,
        "notice": Part(scene.notice),
        "step": scene.step,
        "shown": dict(scene.shown),
        "embedded": scene.embedded,
    }
    if scene.reel:
        reel = scene.reel
        captions = {name: Part(texts) for name, texts in reel.captions.items()}
        body["reel"] = {
            "steps": dict(reel.steps),
            "answers": dict(reel.answers),
            "bars": {view: dict(arms) for view, arms in reel.bars.items()},
            "captions": captions,
        }
    return body


def encode(scene: Scene, wire: Wire | None = None, asked: int = 0) -> bytes:
    """The scene as one payload, without the pieces that the browser at the other end of the wire has."""
    return (wire or Wire()).encode(_body(scene, asked))


def encode_hold(hold: Hold, wire: Wire, asked: int) -> bytes:
    """A message in place of a new picture."""
    return wire.encode({"ask": asked, "hold": asdict(hold)})


# --- component --------------------------------------------------------------------------------------------------------------------


def _loader() -> str:
    """The few lines that travel with each update; the rest is fetched once."""
    urls = {"css": [files.url("stage.css"), files.url("share.css")], "plotly": files.plotly_url(), "qr": f"{files.base()}/qr.svg"}
    # Streamlit takes a text without a line break for a path. Addresses are made absolute because this runs as a blob, without a base.
    return (
        f"const module = import(new URL({json.dumps(files.url('stage.js'))}, location.origin));\n"
        f"export default async (c) => (await module).default(c, {json.dumps(urls)});\n"
    )


_mount = component("wd_stage", html='<div class="wd-host"></div>', js=_loader(), isolate_styles=False)


def show(scene: Scene | Hold, *, key: str, on_ask: Callable[[Ask], None]) -> None:
    """Shows the scene, or, where a stage with this key is on the page, changes it in place.

    `on_ask` is called with each wish of the visitor before the fragment runs again.
    """
    seat = _seat(key)

    def asked() -> None:
        if key in st.session_state:  # not where the visitor has gone on to another page meanwhile: that one has its own stage
            on_ask(seat.take(st.session_state[key].get("ask")))

    data = encode_hold(scene, seat.wire, seat.asked) if isinstance(scene, Hold) else encode(scene, seat.wire, seat.asked)
    _mount(key=key, data=data, on_ask_change=asked)


def _seat(key: str) -> Seat:
    if f"_seat_{key}" not in st.session_state:
        st.session_state[f"_seat_{key}"] = Seat()
    return st.session_state[f"_seat_{key}"]
