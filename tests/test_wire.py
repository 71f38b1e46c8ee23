"""The wire: whatever is sent and however much of it is acknowledged, the browser's side rebuilds exactly the body, and nothing else."""

from __future__ import annotations

import json
import math
import re
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wdviz.ui import wire
from wdviz.ui.wire import KEPT, Merged, Part, Wire, is_array, packable

WIRE_JS = Path(__file__).parents[1] / "assets" / "wire.js"
quick = settings(max_examples=60, deadline=None)


class Reader:
    """assets/wire.js in Python."""

    def __init__(self) -> None:
        self.pieces: dict[int, dict[str, Any]] = {}  # id -> value (or JSON not yet read), what it uses, last payload that used it
        self.number = 0

    def open(self, payload: bytes) -> Any:
        """The body, or None where a piece is missing."""
        header, start = parse(payload)
        payload = zlib.decompress(payload)
        for piece, kind, offset, count, shape in header["pieces"]:
            record: dict[str, Any] = {"last": header["n"]}
            if kind == "json":
                record["text"] = payload[start + offset : start + offset + count].decode()
            else:
                array = np.frombuffer(payload, "<" + kind, count, start + offset)
                record |= {"value": array.reshape(shape) if shape else array, "uses": set()}
            self.pieces[piece] = record
        uses: set[int | None] = set()
        body = self._build(header["body"], uses)
        if None in uses:
            return None
        for piece in uses:
            assert piece is not None
            self.pieces[piece]["last"] = header["n"]
        self.number = header["n"]
        return body

    def acknowledge(self) -> int:
        self.pieces = {piece: record for piece, record in self.pieces.items() if record["last"] > self.number - KEPT}
        return self.number

    def _build(self, value: Any, uses: set) -> Any:
        if isinstance(value, list):
            return [self._build(item, uses) for item in value]
        if not isinstance(value, dict):
            return value
        if "$" not in value:
            return {name: self._build(item, uses) for name, item in value.items()}
        given = value["$"]
        if not isinstance(given, dict):
            return self._array(given, uses)
        whole = self._piece(given["of"], uses) or {}
        return whole | {name: self._array(array, uses) for name, array in given.items() if name != "of"} | value.get("with", {})

    def _array(self, given: Any, uses: set) -> Any:
        if not isinstance(given, list):
            return self._piece(given, uses)
        parts = [self._piece(piece, uses) for piece in given]
        return None if any(part is None for part in parts) else np.concatenate([np.append(part, part.dtype.type(np.nan)) for part in parts])

    def _piece(self, piece: int, uses: set) -> Any:
        record = self.pieces.get(piece)
        if record is None:
            uses.add(None)
            return None
        if "text" in record:
            inner: set[int | None] = set()
            record |= {"value": self._build(json.loads(record["text"], parse_constant=refuse), inner), "uses": inner}
            if None in inner:
                uses.add(None)
                return None
            del record["text"]
        uses |= {piece, *record["uses"]}
        return record["value"]


def refuse(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")


def parse(payload: bytes) -> tuple[dict[str, Any], int]:
    """The header, and where the pieces start."""
    payload = zlib.decompress(payload)
    (length,) = struct.unpack_from("<I", payload)
    start = -(-(4 + length) // 8) * 8
    assert not any(payload[4 + length : start])
    return json.loads(payload[4 : 4 + length].decode(), parse_constant=refuse), start


def lengths(payload: bytes) -> list[int]:
    """Of the pieces that a payload brings."""
    return [length for _, _, _, length, _ in parse(payload)[0]["pieces"]]


def read(payload: bytes) -> Any:
    """The body of a payload for a browser that has nothing yet."""
    return Reader().open(payload)


def plain(value: Any) -> Any:
    """What a browser should find of a body."""
    if isinstance(value, Part):
        return plain(value.value)
    if isinstance(value, Merged):
        return plain(value.rest) | {name: packable(array) for name, array in value.arrays.items()}
    if isinstance(value, np.ndarray):
        return packable(value)
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def same(a: Any, b: Any) -> bool:
    """Equal in values, types and, for arrays, in every bit, but for those of what is not a number: there are millions of NaNs."""
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        bits = [np.where(np.isnan(x), np.nan, x).astype(x.dtype).tobytes() if x.dtype.kind == "f" else x.tobytes() for x in (a, b)]
        return a.dtype == b.dtype and a.shape == b.shape and bits[0] == bits[1]
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[name], b[name]) for name in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


# --- bodies -----------------------------------------------------------------------------------------------------------------------

NUMBERS = st.floats(width=32) | st.sampled_from([math.nan, math.nan, 0.0, -0.0, 1.0])
SHAPES = st.sampled_from([(-1,), (1, -1), (-1, 1)])
ARRAYS = st.one_of(
    st.builds(lambda v, kind: np.array(v, kind), st.lists(NUMBERS, max_size=12), st.sampled_from(["<f4", "<f8", ">f8"])),
    st.builds(lambda v, shape: np.array(v, "f4").reshape(shape), st.lists(NUMBERS, min_size=1, max_size=6), SHAPES),
    st.builds(lambda v, kind: np.array(v, kind), st.lists(st.integers(0, 3), max_size=5), st.sampled_from(["u1", "u2", "i4", "i8"])),
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
NAMES = st.sampled_from("abc")


def bodies(pool: list[np.ndarray]) -> st.SearchStrategy[dict[str, Any]]:
    """Bodies of which many have arrays and parts in common."""
    arrays = st.sampled_from(pool)

    def wider(inner: st.SearchStrategy) -> st.SearchStrategy:
        objects = st.dictionaries(NAMES, inner, max_size=3)
        merged = st.builds(Merged, objects.map(Part), st.dictionaries(NAMES, arrays, max_size=2))
        return st.lists(inner, max_size=3) | objects | inner.map(Part) | merged

    return st.dictionaries(NAMES, st.recursive(arrays | SCALARS, wider, max_leaves=8), max_size=3)


POOLS = st.lists(ARRAYS, min_size=1, max_size=4)


@quick
@given(st.data())
def test_a_browser_that_reads_all_rebuilds_each_body_whatever_it_acknowledges(data: st.DataObject):
    few = data.draw(st.lists(bodies(data.draw(POOLS)), min_size=1, max_size=4))  # so that a body comes back, some time after its last
    server, browser = Wire(), Reader()
    for _ in range(data.draw(st.integers(1, 4 * KEPT))):
        body = data.draw(st.sampled_from(few))
        assert same(browser.open(server.encode(body)), plain(body))
        match data.draw(st.sampled_from(["nothing", "said", "said", "reset"])):
            case "said":
                server.acknowledge(browser.acknowledge())
            case "reset":
                server.acknowledge(0)


@quick
@given(st.data())
def test_after_lost_payloads_and_late_acknowledgements_it_is_right_or_asks_anew(data: st.DataObject):
    few = data.draw(st.lists(bodies(data.draw(POOLS)), min_size=1, max_size=4))
    server, browser, late = Wire(), Reader(), [0]
    for _ in range(data.draw(st.integers(1, 3 * KEPT))):
        body = data.draw(st.sampled_from(few))
        payload = server.encode(body)
        match data.draw(st.sampled_from(["read", "read", "lost"])):
            case "read":
                found = browser.open(payload)
                if found is None:  # as assets/stage.js does: forget everything and say so
                    browser = Reader()
                    server.acknowledge(0)
                    found = browser.open(server.encode(body))
                assert same(found, plain(body))
        late.append(browser.acknowledge())
        if data.draw(st.booleans()):
            server.acknowledge(data.draw(st.sampled_from(late[-3:])))


def test_what_is_kept_is_what_is_counted_on_to_the_last_payload():
    """A piece that comes back just before the browser drops it, and one that comes back just after."""
    rare, other = {"a": np.arange(100.0)}, {"b": np.arange(3.0)}
    for pause in range(1, KEPT + 3):
        server, browser = Wire(), Reader()
        for body in (rare, *[other] * pause):
            browser.open(server.encode(body))
            server.acknowledge(browser.acknowledge())
        payload = server.encode(rare)
        assert same(browser.open(payload), plain(rare))
        assert (not parse(payload)[0]["pieces"]) == (pause < KEPT), pause


def test_the_browser_s_script_keeps_as_many():
    found = re.search(r"const KEPT = (\d+);", WIRE_JS.read_text(encoding="utf-8"))
    assert found
    assert int(found[1]) == KEPT


# --- arrays -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("f2", "f4"),
        ("f4", "f4"),
        (">f4", "f4"),
        ("f8", "f8"),
        ("i1", "i4"),
        ("i8", "i4"),
        ("u1", "u1"),
        ("u2", "u2"),
        (">u2", "u2"),
        ("u4", "i4"),
    ],
)
def test_arrays_arrive_as_one_of_five_types(given: str, sent: str):
    values = np.array([0, 1, 1, 0, 1]).astype(given)
    found = read(Wire().encode({"y": values}))["y"]
    assert found.dtype == np.dtype("<" + sent)
    np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize("values", [[2**31], [-(2**31) - 1], [0, 2**40]])
def test_integers_beyond_32_bits_become_floats(values: list[int]):
    found = read(Wire().encode({"y": np.array(values)}))["y"]
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, values)


def test_the_browser_knows_every_type_that_is_sent():
    known = set(re.findall(r"(\w\d): \w+Array", WIRE_JS.read_text(encoding="utf-8")))
    kinds = [
        np.array([0, big]).astype(kind) for kind in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8") for big in (1, 99)
    ]
    assert {packable(array).dtype.str[1:] for array in (*kinds, np.array([2**40]))} == known


def test_matrices_keep_their_shape_and_what_is_no_array_of_numbers_becomes_a_list():
    matrix = np.arange(12, dtype="u2").reshape(3, 4).T
    found = read(Wire().encode({"m": matrix, "texts": np.array(["p", "q"]), "flags": np.array([True, False]), "one": np.array(2.5)}))
    np.testing.assert_array_equal(found["m"], matrix)
    assert (found["texts"], found["flags"], found["one"]) == (["p", "q"], [True, False], 2.5)
    assert not is_array(np.array(2.5))


def test_an_empty_array_is_an_array():
    found = read(Wire().encode({"a": np.array([]), "b": np.zeros((0, 2), "f4")}))
    assert (found["a"].shape, found["b"].shape) == ((0,), (0, 2))


@quick
@given(st.lists(NUMBERS, max_size=40), st.sampled_from(["f4", "f8"]))
def test_an_array_with_gaps_is_rebuilt(values: list[float], kind: str):
    array = np.array(values, kind)
    found = read(Wire().encode({"y": array}))["y"]
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)
    assert (np.signbit(found) == np.signbit(array))[~np.isnan(array)].all()


def curves(*seeds: int) -> np.ndarray:
    """One array of a curve of 50 numbers for each seed, with a gap after each."""
    return np.concatenate([np.r_[np.random.default_rng(seed).normal(size=50), np.nan] for seed in seeds])


def test_curves_travel_seed_by_seed():
    server, browser = Wire(), Reader()
    browser.open(server.encode({"y": curves(1, 2)}))
    server.acknowledge(browser.acknowledge())
    payload = server.encode({"y": curves(1, 2, 3)})
    assert len(parse(payload)[0]["pieces"]) == 1  # the third seed's
    assert same(browser.open(payload), {"y": curves(1, 2, 3)})
    server.acknowledge(browser.acknowledge())
    payload = server.encode({"y": curves(3)[:-1]})  # alone, without its gap, it is the same piece
    assert parse(payload)[0]["pieces"] == []
    assert same(browser.open(payload), {"y": curves(3)[:-1]})


def test_an_array_with_many_gaps_is_sent_whole():
    array = np.arange(2.0 * wire._MOST_GAPS + 2)
    array[1::2] = np.nan
    payload = Wire().encode({"y": array})
    assert len(parse(payload)[0]["pieces"]) == 1
    assert same(read(payload), {"y": array})


# --- layout -----------------------------------------------------------------------------------------------------------------------


@quick
@given(POOLS.flatmap(bodies))
def test_pieces_start_at_multiples_of_eight_and_fill_the_payload(body: dict[str, Any]):
    payload = Wire().encode(body)
    header, start = parse(payload)
    at = 0
    for _, kind, offset, count, shape in header["pieces"]:
        assert offset == at
        size = count * (1 if kind == "json" else np.dtype(kind).itemsize)
        assert not shape or math.prod(shape) == count
        at += -(-size // 8) * 8
    assert start % 8 == 0
    assert start + at == len(zlib.decompress(payload))
    assert len({piece for piece, *_ in header["pieces"]}) == len(header["pieces"])


def test_numbers_that_are_not_finite_become_null_in_json_and_stay_in_arrays():
    bad = [math.nan, math.inf, -math.inf, np.float32("nan"), np.float64("inf"), 1.5]
    found = read(Wire().encode({"a": bad, "part": Part({"b": tuple(bad)}), "array": np.array(bad)}))
    assert found["a"] == found["part"]["b"] == [None] * 5 + [1.5]
    np.testing.assert_array_equal(found["array"], np.array(bad))


def test_text_survives_as_it_is():
    text = 'schön "€" \u2028 \U0001f600 </script>'
    assert read(Wire().encode({text: Part({"a": text})})) == {text: {"a": text}}


# --- what is sent, and what is kept -------------------------------------------------------------------------------------------------


def test_what_has_not_changed_is_not_sent_again():
    server, browser = Wire(), Reader()
    large, small = np.arange(1000.0), np.arange(5)
    first = server.encode({"large": large, "small": small, "part": Part({"text": "x" * 500})})
    browser.open(first)
    assert lengths(server.encode({"large": large})) == [large.size]  # not acknowledged, so it may have been lost
    server.acknowledge(1)
    body = {"large": large.copy(), "small": small + 1, "part": Part({"text": "x" * 500})}
    second = server.encode(body)
    assert lengths(second) == [small.size]
    assert same(browser.open(second), plain(body))


def test_equal_content_travels_once_unless_it_differs_in_type_or_shape():
    zeros = np.zeros(4, "f4")
    body = {"a": zeros, "b": zeros.copy(), "c": np.zeros(4, "i4"), "d": zeros.reshape(2, 2), "e": zeros.reshape(4, 1)}
    payload = Wire().encode(body)
    assert len(parse(payload)[0]["pieces"]) == 4
    assert same(read(payload), plain(body))


def test_equal_parts_are_the_very_same_object():
    server, browser = Wire(), Reader()
    found = [browser.open(server.encode({"a": Part({"x": np.arange(3)}), "b": b})) for b in range(2)]
    server.acknowledge(browser.acknowledge())
    found.append(browser.open(server.encode({"a": Part({"x": np.arange(3)}), "b": 2})))
    assert found[1]["a"] is found[2]["a"]


def test_an_unknown_number_means_that_the_browser_has_nothing():
    for number in (0, -1, 3, 5, 99, 2**53):
        server = Wire()
        body = {"y": np.arange(100.0)}
        server.encode(body)
        server.acknowledge(1)
        assert Reader().open(server.encode(body)) is None  # one who has nothing could not read this
        server.acknowledge(number)
        assert same(Reader().open(server.encode(body)), body)


def test_what_many_browsers_get_is_packed_once(monkeypatch: pytest.MonkeyPatch):
    packed: list[Any] = []
    original = wire._dump
    monkeypatch.setattr(wire, "_dump", lambda value: packed.append(value) or original(value))
    inner = Part({"deep": [1, 2]})
    part = Part({"curve": Merged(Part({"name": "a"}), {"y": np.arange(50.0)}, {"at": 0.5}), "inner": inner})
    payloads = {Wire().encode({"view": part}) for _ in range(3)}
    assert len(payloads) == 1  # the same for each: ids do not depend on the session
    assert packed.count(part.value) == packed.count(inner.value) == 1
    assert same(
        Reader().open(payloads.pop()), {"view": {"curve": {"name": "a", "y": np.arange(50.0), "at": 0.5}, "inner": {"deep": [1, 2]}}}
    )


def test_state_is_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(wire, "_MOST_IDS", 40)
    monkeypatch.setattr(wire, "_ids", wire._Ids())
    server, browser = Wire(), Reader()
    for step in range(300):
        body = {"step": np.array([step]), "part": Part({"step": step // 2}), "same": np.arange(9)}
        assert same(browser.open(server.encode(body)), plain(body))
        server.acknowledge(browser.acknowledge())
        assert len(wire._ids._known) <= 40
        assert len(server._sent) <= 4 * KEPT
        assert len(server._known) <= 3 * KEPT
        assert len(browser.pieces) <= 3 * KEPT
