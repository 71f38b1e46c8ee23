"""What travels to a browser: each piece once.

A payload is, compressed by zlib, `[uint32 length of the header][header, UTF-8 JSON][zeros up to a multiple of 8][pieces]`. Its header is
`{"n": number, "pieces": [[id, kind, offset, length, shape], ...], "body": ...}`. A piece is an array (`kind` is its dtype, `length` its
elements) or JSON (`kind` is "json", `length` its bytes) and starts at a multiple of 8 bytes, counted from the start of the pieces. In the
body, and in JSON pieces, `{"$": id}` stands for a piece, `{"$": [id, id]}` for arrays in one, with a gap (NaN) after each, and
`{"$": {"of": id, "x": id}, "with": {"y": 1}}` for an object with some of its values replaced, by pieces and by what stands there.

Pieces are known by their content. The browser acknowledges payloads by their numbers and keeps what those of the last `KEPT` numbers
refer to; such pieces are not sent again. Curves of several seeds, which are one array with a gap after each, travel seed by seed.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
import threading
import zlib
from collections import OrderedDict
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

_ALIGN = 8
_LEVEL = 1  # maps and JSON shrink to a third; higher levels take longer and gain little
KEPT = 12  # numbers of payloads of which the browser keeps the pieces; assets/wire.js knows it as well
_MOST_GAPS = 24  # beyond it an array is sent whole: a run that diverged is one gap after the other
_MOST_IDS = 65_536  # contents of which the id is remembered


@dataclass(frozen=True, eq=False)
class Piece:
    """Content that travels by itself; equal content has the same id in all sessions."""

    id: int
    kind: str
    raw: bytes
    length: int
    shape: list[int]


Packed = tuple[Any, tuple[Piece, ...]]  # what stands for a value in JSON, and all pieces that it refers to


@dataclass(frozen=True)
class Part:
    """A value that is sent as a piece of its own, so that it is not sent again while it stays the same."""

    value: Any

    @cached_property
    def packed(self) -> Packed:
        """Its id. Made once: the same part is sent in many payloads, to many browsers."""
        text, pieces = _dump(self.value)
        raw = text.encode()
        own = _piece("json", raw, len(raw), [])
        return own.id, (*pieces, own)


@dataclass(frozen=True)
class Merged:
    """An object of which the arrays, and small values that often change, travel apart from the rest."""

    rest: Part
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def packed(self) -> Packed:
        """The ids of its pieces, and its values."""
        whole, pieces = self.rest.packed
        ids = {"of": whole}
        for name, array in self.arrays.items():
            ids[name], more = _pack_array(array)
            pieces += more
        return {"$": ids} | ({"with": _clean(self.values)} if self.values else {}), pieces


class Wire:
    """One browser's side of the wire: which pieces it has."""

    def __init__(self) -> None:
        self._number = 0
        self._known: frozenset[int] = frozenset()
        self._sent: OrderedDict[int, frozenset[int]] = OrderedDict()
        self._read: set[int] = set()  # numbers that were acknowledged

    def acknowledge(self, number: int) -> None:
        """The browser has read payload `number`; one that is not remembered, such as 0, means that it has nothing."""
        self._read = {n for n in self._read if number - KEPT < n <= number} | {number} if number in self._sent else set()
        self._known = frozenset[int]().union(*(self._sent[n] for n in self._read))

    def encode(self, body: Any) -> bytes:
        """The payload of a body of JSON values, arrays, `Part` and `Merged`; numbers that are not finite become null."""
        text, used = _dump(body)
        pieces = {piece.id: piece for piece in used}
        self._number += 1
        self._sent[self._number] = frozenset(pieces)
        while len(self._sent) > 2 * KEPT:
            self._sent.popitem(last=False)
        index, parts, size = [], [], 0
        for piece in pieces.values():
            if piece.id not in self._known:
                index.append([piece.id, piece.kind, size, piece.length, piece.shape])
                parts.append(piece.raw + bytes(-len(piece.raw) % _ALIGN))
                size += len(parts[-1])
        header = f'{{"n":{self._number},"pieces":{json.dumps(index, separators=(",", ":"))},"body":{text}}}'.encode()
        head = struct.pack("<I", len(header)) + header
        return zlib.compress(b"".join([head, bytes(-len(head) % _ALIGN), *parts]), _LEVEL)


class _Ids:
    """The numbers by which contents are known, in this process. None is ever given twice."""

    def __init__(self) -> None:
        self._guard, self._given, self._known = threading.Lock(), 0, dict[tuple[str, bytes], int]()

    def of(self, kind: str, raw: bytes) -> int:
        key = kind, hashlib.blake2b(raw, digest_size=16).digest()
        with self._guard:
            if len(self._known) >= _MOST_IDS:  # what they stood for can only be sent again
                self._known.clear()
            if key not in self._known:
                self._given += 1
                self._known[key] = self._given
            return self._known[key]


_ids = _Ids()


def _piece(kind: str, raw: bytes, length: int, shape: list[int]) -> Piece:
    return Piece(_ids.of(f"{kind}{shape}", raw), kind, raw, length, shape)


def _dump(value: Any) -> tuple[str, tuple[Piece, ...]]:
    """The value as JSON, and the pieces that it refers to."""
    used: list[Piece] = []

    def refer(value: Any) -> Any:
        packed, pieces = value.packed if isinstance(value, (Part, Merged)) else _pack_array(value)
        used.extend(pieces)
        return packed if isinstance(value, Merged) else {"$": packed}

    return json.dumps(_clean(value), default=refer, allow_nan=False, ensure_ascii=False, separators=(",", ":")), tuple(used)


def _pack_array(array: np.ndarray) -> Packed:
    packed = packable(array)
    kind, shape = packed.dtype.str[1:], list(packed.shape) if packed.ndim > 1 else []
    gaps = np.flatnonzero(np.isnan(packed) if packed.dtype.kind == "f" and packed.ndim == 1 else [])
    if not 0 < len(gaps) <= _MOST_GAPS or gaps[-1] != packed.size - 1:
        whole = _piece(kind, packed.tobytes(), packed.size, shape)
        return whole.id, (whole,)
    starts = [0, *(gaps[:-1] + 1)]
    parts = [packed[start:end] for start, end in zip(starts, gaps, strict=True)]
    pieces = tuple(_piece(kind, part.tobytes(), part.size, []) for part in parts)
    return [piece.id for piece in pieces], pieces


def packable(array: np.ndarray) -> np.ndarray:
    """The array as one of the five types that the browser reads."""
    kind, size = array.dtype.kind, array.dtype.itemsize
    if kind == "f":
        target = "f8" if size > 4 else "f4"
    elif kind == "u" and size <= 2:
        target = f"u{size}"
    else:
        fits = array.size == 0 or (int(array.min()) >= -(2**31) and int(array.max()) < 2**31)
        target = "i4" if fits else "f8"
    return np.ascontiguousarray(array, dtype="<" + target)


def is_array(value: Any) -> bool:
    """Whether a value travels as an array."""
    return isinstance(value, np.ndarray) and value.dtype.kind in "fiu" and value.ndim > 0


def _clean(value: Any) -> Any:
    """The value with arrays of numbers and parts kept, everything else as valid JSON."""
    if isinstance(value, np.ndarray):
        if is_array(value):
            return value
        return np.datetime_as_string(value).tolist() if value.dtype.kind == "M" else _clean(value.tolist())
    if isinstance(value, dict):
        return {key: _clean(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean(item) for item in value]
    if isinstance(value, np.generic):
        return _clean(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
