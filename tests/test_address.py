"""The address: old links keep their meaning, whatever stands in it gives valid settings, and the app writes it as seldom as it can."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, quote, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.test_edits import EDITS
from wdviz import datasets
from wdviz import edits as texts
from wdviz.settings import DATASETS, DECAYS, REGULARISERS, SPECS, Settings
from wdviz.specs import Choice, Number, Several, Text
from wdviz.ui import address, controls

quick = settings(max_examples=60, deadline=None)


class Query(dict[str, list[str]]):
    """Streamlit's `st.query_params` without a browser."""

    def __init__(self, query: str) -> None:
        super().__init__(parse_qs(query, keep_blank_values=True))

    def get_all(self, name: str) -> list[str]:
        return self[name]

    def from_dict(self, values: dict[str, str | list[str]]) -> None:
        self.clear()
        self.update({name: given if isinstance(given, list) else [given] for name, given in values.items()})

    def __str__(self) -> str:
        return urlencode(self, doseq=True)


class Visit:
    """A session and its address bar."""

    def __init__(self, patch: pytest.MonkeyPatch, query: str = "") -> None:
        self.state: dict[str, Any] = {}
        self._patch = patch
        patch.setattr(address.st, "session_state", self.state)
        self.go(query)

    def go(self, query: str) -> None:
        """What a link or the back button does."""
        self.query = Query(query)
        self._patch.setattr(address.st, "query_params", self.query)

    def run(self, page: str = "overfitting") -> tuple[Settings, list[str]]:
        """One run of a page: what it takes from the address, what it makes of it, what it writes."""
        notes = address.take(page)
        chosen, changed = controls.settings()
        controls.to_address(chosen)
        return chosen, [*notes, *changed]


@pytest.fixture
def patch() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patching:
        yield patching


def visit(query: str) -> tuple[Settings, list[str], dict[str, Any]]:
    """The settings, notes and session of somebody who comes by a link."""
    with pytest.MonkeyPatch.context() as patching:
        came = Visit(patching, query)
        return *came.run(), came.state


# --- links of today ---------------------------------------------------------------------------------------------------------------

# Links that are out in the world, with what they have always meant. Entries are only ever added, never changed or removed.
OLD_LINKS: list[tuple[str, dict[str, Any]]] = [
    ("", {}),
    ("decay=30", {"decay": 30.0}),
    ("decay=0.1", {"decay": 0.1}),
    ("flip=0&decay=2", {"flip": 0.0, "decay": 2.0}),
    (
        "dataset=digits&n_train=150&flip=0.25&noise=0&decay=1",
        {"dataset": "digits", "n_train": 150, "flip": 0.25, "noise": 0.0, "decay": 1.0},
    ),
    ("learning_rate=0.05&decay=50", {"learning_rate": 0.05, "decay": 50.0}),
    ("dataset=moons", {"dataset": "moons"}),
    ("dataset=circles", {"dataset": "circles"}),
    ("dataset=gaussians", {"dataset": "gaussians"}),
    ("dataset=xor", {"dataset": "xor"}),
    ("dataset=spirals&n_train=200", {"dataset": "spirals", "n_train": 200}),
    ("dataset=sine&noise=0.3&n_train=20&decay=0.3", {"dataset": "sine", "noise": 0.3, "n_train": 20, "decay": 0.3}),
    ("dataset=digits", {"dataset": "digits"}),
    ("dataset=breast+cancer", {"dataset": "breast cancer"}),
    ("dataset=breast%20cancer&decay=10", {"dataset": "breast cancer", "decay": 10.0}),
    ("dataset=wine", {"dataset": "wine"}),
    ("dataset=iris", {"dataset": "iris"}),
    ("dataset=penguins", {"dataset": "penguins"}),
    ("dataset=diabetes&n_train=80", {"dataset": "diabetes", "n_train": 80}),
    ("seed=7&seeds=3", {"seed": 7, "seeds": 3}),
    ("edits=r3~r17~a1.25_-0.4_1", {"edits": "r3~r17~a1.25_-0.4_1"}),
    ("dataset=sine&edits=a0.5_-1_0", {"dataset": "sine", "edits": "a0.5_-1_0"}),
    ("model=linear", {"model": "linear"}),
    ("width=16&depth=3&activation=tanh", {"width": 16, "depth": 3, "activation": "tanh"}),
    ("decay_kind=coupled&optimiser=sgd&learning_rate=0.5", {"decay_kind": "coupled", "optimiser": "sgd", "learning_rate": 0.5}),
    ("optimiser=momentum&momentum=0.5", {"optimiser": "momentum", "momentum": 0.5}),
    ("decay_on=all+but+the+output+layer", {"decay_on": "all but the output layer"}),
    ("decay_on=weights+and+biases", {"decay_on": "weights and biases"}),
    ("switch_at=300&decay_after=0.5", {"switch_at": 300, "decay_after": 0.5}),
    ("decay=0&switch_at=100&decay_after=2", {"decay": 0.0, "switch_at": 100, "decay_after": 2.0}),
    ("schedule=warm-up&steps=1200&batch_size=16", {"schedule": "warm-up", "steps": 1200, "batch_size": 16}),
    ("regularisers=dropout&regularisers=batch+norm&dropout=0.5", {"regularisers": ("batch norm", "dropout"), "dropout": 0.5}),
    ("regularisers=l1,early+stopping&l1=0.01&patience=50", {"regularisers": ("early stopping", "l1"), "l1": 0.01, "patience": 50}),
    (
        "regularisers=input+noise,label+smoothing&input_noise=0.5&label_smoothing=0.2",
        {"regularisers": ("input noise", "label smoothing"), "input_noise": 0.5, "label_smoothing": 0.2},
    ),
    ("present=1", {"present": True}),
    ("present=1&contrast=1&test_points=1&decay=5", {"present": True, "contrast": True, "test_points": True, "decay": 5.0}),
    ("contrast=true&test_points=false", {"contrast": True, "test_points": False}),
    ("tested=1", {"tested": True}),
    ("image=3&jitter=0.35", {"image": 3, "jitter": 0.35}),
    (
        "folds=10&repeats=2&candidates=9&lowest=0.1&highest=20",
        {"folds": 10, "repeats": 2, "candidates": 9, "lowest": 0.1, "highest": 20.0},
    ),
    ("against=independent&side=8&map_seeds=1&reach=0.5", {"against": "independent", "side": 8, "map_seeds": 1, "reach": 0.5}),
    (
        "rate_from=0.002&rate_to=0.5&decay_from=0.001&decay_to=20",
        {"rate_from": 0.002, "rate_to": 0.5, "decay_from": 0.001, "decay_to": 20.0},
    ),
    ("decay_kind=independent&decay=0.05", {"decay_kind": "independent", "decay": 0.05}),
    (
        "dataset=digits&model=convolutional&budget=2000&pooling=max",
        {"dataset": "digits", "model": "convolutional", "budget": 2000, "pooling": "max"},
    ),
    (
        "dataset=power+demand&model=recurrent&cell=gru&decay_on=recurrent+matrix",
        {"dataset": "power demand", "model": "recurrent", "cell": "gru", "decay_on": "recurrent matrix"},
    ),
    (
        "dataset=digits&model=attention&tokens=patches&heads=2&summary=class+token&spare=queries+and+keys",
        {
            "dataset": "digits",
            "model": "attention",
            "tokens": "patches",
            "heads": 2,
            "summary": "class token",
            "spare": "queries and keys",
        },
    ),
    (
        "regularisers=augmentation,mixup&shift=2&rotation=10&augmentation_noise=0.1&mixup=0.5",
        {"regularisers": ("augmentation", "mixup"), "shift": 2, "rotation": 10.0, "augmentation_noise": 0.1, "mixup": 0.5},
    ),
    (
        "inside=attention&decaying=queries+and+keys&matched=4000&layers_each=2&moment=50&example=3",
        {"inside": "attention", "decaying": "queries and keys", "matched": 4000, "layers_each": 2, "moment": 50, "example": 3},
    ),
    ("stand_in=power+demand&decaying=everything", {"stand_in": "power demand", "decaying": "everything"}),
    (
        "factors=decay&factors=dropout&others=averaged&judged_by=accuracy",
        {"factors": ("decay", "dropout"), "others": "averaged", "judged_by": "accuracy"},
    ),
    (
        "rival=shift&strengths=5&strength_seeds=1&least_decay=0.3&most_decay=50",
        {"rival": "shift", "strengths": 5, "strength_seeds": 1, "least_decay": 0.3, "most_decay": 50.0},
    ),
]


@pytest.mark.parametrize(("query", "means"), OLD_LINKS, ids=[query for query, _ in OLD_LINKS])
def test_an_old_link_means_what_it_has_always_meant(query: str, means: dict[str, Any]):
    chosen, notes, state = visit(query)
    assert notes == []
    assert chosen == Settings(**{name: given for name, given in means.items() if name in SPECS})
    others = [name for name in address.DEFAULTS if name not in SPECS]
    assert {name: state[name] for name in others} == {name: means.get(name, address.DEFAULTS[name]) for name in others}
    assert {name: type(state[name]) for name in means} == {name: type(given) for name, given in means.items()}


def test_there_is_an_old_link_for_each_setting_and_data_set():
    said = {name for _, means in OLD_LINKS for name in means}
    assert said == set(address.DEFAULTS), f"add a link with each of these to OLD_LINKS: {set(address.DEFAULTS) - said}"
    sets = {means["dataset"] for _, means in OLD_LINKS if "dataset" in means}
    assert sets == set(DATASETS), f"add a link to each of these data sets to OLD_LINKS: {set(DATASETS) - sets}"


# --- values from outside ----------------------------------------------------------------------------------------------------------

HOSTILE = [  # a query, and what its note must name beside the setting
    ("decay=nan", "nan", "0 to 100"),
    ("decay=inf", "inf", "0 to 100"),
    ("decay=-inf", "-inf", "0 to 100"),
    ("decay=1e999", "inf", "0 to 100"),
    ("decay=-1", "-1", "0 to 100"),
    ("decay=1e300", "1e+300", "0 to 100"),
    ("decay=", "''", "0 to 100"),
    ("decay=much", "much", "0 to 100"),
    ("decay=2;drop table", "drop table", "0 to 100"),
    ("decay=0x10", "0x10", "0 to 100"),
    ("decay=2%00", r"2\x00", "0 to 100"),
    ("decay=%3Cscript%3Ealert(1)%3C/script%3E", "<script>alert(1)</script>", "0 to 100"),
    ("decay=1&decay=-3", "-3", "0 to 100"),
    ("decay=" + "9" * 5000, "1e+200", "0 to 100"),  # of which 200 digits are looked at
    ("learning_rate=0", "0", "0.0001 to 10"),
    ("momentum=1", "1", "0 to 0.99"),
    ("n_train=-5", "-5", "4 to 500"),
    ("n_train=60.5", "60.5", "4 to 500"),
    ("n_train=" + "9" * 5000, "9" * 200, "4 to 500"),
    ("steps=1e3", "1e3", "10 to 3000"),
    ("steps=True", "True", "10 to 3000"),
    ("seed=-0.0", "-0.0", "0 to 9999"),
    ("seed=%C2%BD", "½", "0 to 9999"),
    ("seeds=1000000", "1000000", "1 to 20"),
    ("dataset='; drop table", "drop table", "moons, circles"),
    ("dataset=../../etc/passwd", "../../etc/passwd", "moons, circles"),
    ("dataset=MOONS", "MOONS", "moons, circles"),
    ("dataset=%F0%9F%98%80", "\U0001f600", "moons, circles"),
    ("width=7", "7", "4, 8, 16"),
    ("width=48.0", "48.0", "4, 8, 16"),
    ("depth=", "''", "1, 2, 3, 4"),
    ("regularisers=l3,__class__", "l3", ", ".join(REGULARISERS)),
    ("regularisers=%3Cimg%20src=x%3E&regularisers=dropout", "<img src=x>", ", ".join(REGULARISERS)),
    ("edits=__import__", "__import__", "r<index> with an index from 0 to 499"),
    ("edits=r500", "r500", "0 to 499"),
    ("edits=anan_0_0", "anan_0_0", "-20 to 20"),
    ("edits=%00", r"\x00", "0 to 499"),
    ("present=maybe", "maybe", "0 or 1"),
    ("contrast=2", "2", "0 or 1"),
    ("test_points=", "''", "0 or 1"),
]


@pytest.mark.parametrize(("query", "named", "allowed"), HOSTILE, ids=[query[:40] for query, *_ in HOSTILE])
def test_what_is_not_allowed_gives_valid_settings_and_one_note_on_it(query: str, named: str, allowed: str):
    chosen, notes, state = visit(query)
    assert isinstance(chosen, Settings)  # which holds allowed values only
    (note,) = notes
    name = query.split("=")[0]
    assert name.removesuffix("s") in note  # "... is no edit"
    assert named in note
    assert allowed in note
    assert re.search(r"\. (The default, .+, is|-?[\d.]+ is) used\.$", note)
    assert len(note) < 700
    assert {n: given for n, given in state.items() if n in address.DEFAULTS and n != name} == {
        n: given for n, given in address.DEFAULTS.items() if n != name
    }


@pytest.mark.parametrize(
    "query", ["decoy=3", "__class__=x", "=", "&&&", "%", "utm_source=mail&DECAY=5", "_seat_stage=1&_wishes=2", "decay%00=1"]
)
def test_what_names_no_setting_is_left_alone(query: str):
    chosen, notes, state = visit(query)
    assert (chosen, notes) == (Settings(), [])
    assert {name for name in state if not name.startswith("_address")} == set(address.DEFAULTS)


@quick
@given(st.dictionaries(st.sampled_from([*address.DEFAULTS]), st.lists(st.text(max_size=12), min_size=1, max_size=3), max_size=6))
def test_no_query_breaks_the_page(values: dict[str, list[str]]):
    query = urlencode(values, doseq=True, errors="replace")
    chosen, notes, _ = visit(query)
    assert isinstance(chosen, Settings)
    assert len(notes) <= 2 * len(values)


NUMBERS = sorted(name for name, spec in SPECS.items() if isinstance(spec, Number))


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_out_of_range_becomes_the_end_of_the_range_with_a_note(name: str):
    spec = SPECS[name]
    assert isinstance(spec, Number)
    for text, end in ((f"{spec.low - 1:g}", spec.low), (f"{spec.high + 1:g}", spec.high), ("1" + "0" * 50, spec.high)):
        notes: list[str] = []
        assert address.allowed(name, address.value(name, [text]), notes) == end
        (note,) = notes
        assert name in note
        assert note.endswith(f"from {spec.low:g} to {spec.high:g}. {end:g} is used.")


@pytest.mark.parametrize(
    ("name", "text", "step"),
    [
        ("decay", "0.00011", 0.0001),
        ("decay", "1e-9", 0.0),
        ("decay", "2.4", 2.0),
        ("decay", "99", 100.0),
        ("learning_rate", "0.0299", 0.03),
        ("steps", "604", 600),
        ("steps", "607", 610),
        ("switch_at", "296", 300),
        ("patience", "13", 10),
        ("noise", "0.204", 0.2),
        ("dropout", "0.33", 0.35),
        ("l1", "0.0011", 0.001),
    ],
)
def test_a_number_off_the_grid_moves_to_its_nearest_step_without_a_word(name: str, text: str, step: float):
    chosen, notes, state = visit(f"{name}={text}")
    assert (getattr(chosen, name), notes) == (step, [])
    assert state[name] == step
    assert type(state[name]) is type(step)


@quick
@given(st.data())
def test_the_nearest_step_is_the_nearest(data: st.DataObject):
    name = data.draw(st.sampled_from(NUMBERS))
    spec = SPECS[name]
    assert isinstance(spec, Number)
    whole = isinstance(spec.step, int) and not spec.grid
    asked = data.draw(st.integers(int(spec.low), int(spec.high)) if whole else st.floats(spec.low, spec.high))
    notes: list[str] = []
    found = address.allowed(name, asked, notes)
    steps = spec.grid or [spec.low + k * spec.step for k in range(round((spec.high - spec.low) / spec.step) + 1)]
    assert notes == []
    assert min(abs(step - found) for step in steps) < 1e-9
    assert abs(found - asked) <= min(abs(step - asked) for step in steps) + 1e-6
    assert type(found) is (int if whole else float)


def test_unicode_digits_and_blanks_are_numbers_as_python_reads_them():
    assert visit("seed=%D9%A3&decay=+5+")[:2] == (Settings(seed=3, decay=5.0), [])


def test_of_values_given_more_than_once_the_last_counts():
    assert visit("decay=1&decay=5&dataset=xor&dataset=circles")[:2] == (Settings(decay=5.0, dataset="circles"), [])


# --- there and back ---------------------------------------------------------------------------------------------------------------


def choices(spec: Number | Choice | Text) -> st.SearchStrategy[Any]:
    if isinstance(spec, Text):
        return EDITS.map(texts.write)
    if isinstance(spec, Several):
        return st.sets(st.sampled_from(spec.options)).map(lambda chosen: tuple(sorted(chosen)))
    if isinstance(spec, Choice):
        return st.sampled_from(spec.options)
    if spec.grid:
        return st.sampled_from(spec.grid)
    count = round((spec.high - spec.low) / spec.step)
    kind = int if isinstance(spec.step, int) else float
    return st.integers(0, count).map(lambda k: kind(round(spec.low + k * spec.step, 6)))


ANY_SETTINGS = st.fixed_dictionaries({}, optional={name: choices(spec) for name, spec in SPECS.items()}).map(lambda v: Settings(**v))


@quick
@given(ANY_SETTINGS)
def test_any_settings_survive_being_written_and_read(chosen: Settings):
    for name in SPECS:
        written, notes = address.written(name, getattr(chosen, name)), []
        given = [written] if isinstance(written, str) else written or [""]
        found = address.allowed(name, address.value(name, given), notes)
        assert (found, type(found), notes) == (getattr(chosen, name), type(getattr(chosen, name)), [])


@quick
@given(ANY_SETTINGS, st.fixed_dictionaries(dict.fromkeys(address.SHOWN, st.booleans())))
def test_an_address_written_for_one_visitor_gives_another_one_the_same(chosen: Settings, shown: dict[str, bool]):
    with pytest.MonkeyPatch.context() as patching:
        first = Visit(patching)
        first.run()
        first.state.update({name: getattr(chosen, name) for name in SPECS} | shown)
        expected = controls.settings()[0]  # with the points that the set has, and edits that suit it
        controls.to_address(expected)
        query = str(first.query)
    found, notes, state = visit(query)
    assert (found, notes) == (expected, [])
    assert {name: state[name] for name in shown} == shown
    changed = {name for name in SPECS if getattr(expected, name) != getattr(Settings(), name)}
    assert set(parse_qs(query)) == changed | {name for name, on in shown.items() if on}


def test_the_whole_of_the_largest_edit_fits_an_address():
    full = texts.write(texts.Edits(tuple(range(texts.MOST)), ((-19.99, -19.99, 1),) * texts.MOST))
    assert len(full) <= address.LONGEST_TEXT
    chosen, notes, _ = visit(f"edits={quote(full)}&n_train=500")
    assert (chosen.edits, notes) == (full, [])
    assert datasets.split_for(chosen, 0).n_train == texts.MOST


def test_defaults_are_left_out(patch: pytest.MonkeyPatch):
    came = Visit(patch, "decay=5&seed=0")
    came.run()
    came.state["seeds"] = 3
    came.run()
    assert came.query == {"decay": ["5"], "seeds": ["3"]}
    came.state |= {"decay": Settings().decay, "seeds": Settings().seeds}
    came.run()
    assert came.query == {}


# --- when it is read and written --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query", ["decay=0.0300&seed=0", "decay=2.4", "n_train=9999", "decoy=1", "dataset=nonsense", "regularisers=l1,dropout"]
)
def test_an_incoming_link_stays_as_it_is_until_a_setting_changes(query: str, patch: pytest.MonkeyPatch):
    came = Visit(patch, query)
    before = dict(came.query)
    for _ in range(3):
        came.run()
        assert came.query == before
    came.state["seed"] = 5
    came.run()
    assert came.query != before
    assert came.query["seed"] == ["5"]
    assert "decoy" not in came.query


def test_notes_on_a_link_are_given_once(patch: pytest.MonkeyPatch):
    came = Visit(patch, "decay=-1&dataset=mons")
    assert len(came.run()[1]) == 2
    assert came.run()[1] == []


def test_what_the_app_wrote_itself_is_not_taken_again(patch: pytest.MonkeyPatch):
    came = Visit(patch)
    came.run()
    came.state |= {"decay": 5.0, "regularisers": ("dropout", "l1"), "present": True}
    came.run()
    assert came.query == {"decay": ["5"], "regularisers": ["dropout", "l1"], "present": ["1"]}
    came.state["decay"] = 7.0  # moved again before the page has run
    assert address.take("overfitting") == []
    assert came.state["decay"] == 7.0


def test_the_back_button_leads_back(patch: pytest.MonkeyPatch):
    came = Visit(patch, "decay=5&present=1")
    came.run()
    came.state["decay"] = 10.0
    assert came.run()[0].decay == 10
    came.go("decay=5&present=1")
    assert came.run() == (Settings(decay=5.0), [])
    came.go("")
    assert came.run() == (Settings(), [])
    assert came.state["present"] is False
    assert came.query == {}


def test_settings_go_along_from_page_to_page(patch: pytest.MonkeyPatch):
    came = Visit(patch, "decay=5&dataset=xor")
    came.run()
    came.state |= {"folds": 7, "n_train": 60, "contrast": True}
    came.run()
    written = dict(came.query)
    del came.state["dataset"], came.state["n_train"]  # Streamlit forgets what the widgets of a page said when it is left
    came.go("")
    assert came.run("tuning") == (Settings(decay=5.0, dataset="xor", n_train=60), [])
    assert came.query == written == {"decay": ["5"], "dataset": ["xor"], "n_train": ["60"], "folds": ["7"], "contrast": ["1"]}
    del came.state["folds"]  # and once more what those of other pages said
    came.run("tuning")
    assert came.query == written
    came.state["decay"] = Settings().decay
    assert came.run("tuning")[0].decay == Settings().decay  # taken over once: what changes then stays changed


def test_presented_a_page_opens_as_its_story_begins(patch: pytest.MonkeyPatch):
    came = Visit(patch, "decay=50&folds=7&tested=1&present=1&contrast=1&test_points=1")
    came.run("tuning")
    came.go("")
    assert came.run("overfitting") == (Settings(), [])
    assert came.query == {"present": ["1"], "contrast": ["1"], "test_points": ["1"]}


def test_a_link_to_another_page_means_what_it_says(patch: pytest.MonkeyPatch):
    came = Visit(patch, "decay=5&dataset=xor")
    came.run()
    came.go("seed=3")
    assert came.run("tuning") == (Settings(seed=3), [])
    del came.state["seed"]  # a widget that is gone with its page
    came.go("seed=3")  # the same address once more, of another page
    assert came.run("overfitting") == (Settings(seed=3), [])


def test_from_page_to_page_at_the_defaults_the_address_stays_empty(patch: pytest.MonkeyPatch):
    came = Visit(patch)
    came.run()
    came.go("")
    assert came.run("tuning") == (Settings(), [])
    assert came.query == {}


def test_a_decay_on_each_step_of_the_control_is_written_as_it_is_shown():
    assert [address.written("decay", v) for v in DECAYS] == [f"{v:g}" for v in DECAYS]
    assert [float(address.written("decay", v)) for v in DECAYS] == list(DECAYS)  # type: ignore[arg-type]
