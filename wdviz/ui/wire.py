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
import zlib
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

import numpy as np

_ALIGN = 8
_LEVEL = 1  # maps and JSON shrink to a third; higher levels take longer and gain little
KEPT = 12  # numbers of payloads of which the browser keeps the pieces; assets/wire.js knows it as well
_MOST_GAPS = 24  # beyond it an array is sent whole: a run that diverged is one gap after the other
_MOST_IDS = 2048  # contents of which the id is remembered


@dataclass(frozen=True)
class Part:
    """A value that is sent as a piece of its own, so that it is not sent again while it stays the same."""

    value: Any


@dataclass(frozen=True)
class Merged:
    """An object of which the arrays, and small values that often change, travel apart from the rest."""

    rest: Part
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)


class Wire:
    """One browser's side of the wire: which pieces it has."""

    def __init__(self) -> None:
        self._number = self._ids_given = 0
        self._ids: dict[tuple[str, bytes], int] = {}
        self._known: frozenset[int] = frozenset()
        self._sent: OrderedDict[int, frozenset[int]] = OrderedDict()
        self._read: set[int] = set()  # numbers that were acknowledged

    def acknowledge(self, number: int) -> None:
        """The browser has read payload `number`; one that is not remembered, such as 0, means that it has nothing."""
        self._read = {n for n in self._read if number - KEPT < n <= number} | {number} if number in self._sent else set()
        self._known = frozenset[int]().union(*(self._sent[n] for n in self._read))

    def encode(self, body: Any) -> bytes:
        """The payload of a body of JSON values, arrays, `Part` and `Merged`; numbers that are not finite become null."""
        if len(self._ids) > _MOST_IDS:  # ids are never given twice, so the browser's pieces can only be sent again
            self._ids.clear()
        pieces = _Pieces(self)
        text = pieces.dump(body)
        self._number += 1
        self._sent[self._number] = frozenset(pieces.used)
        while len(self._sent) > 2 * KEPT:
            self._sent.popitem(last=False)
        header = f'{{"n":{self._number},"pieces":{json.dumps(pieces.index, separators=(",", ":"))},"body":{text}}}'.encode()
        head = struct.pack("<I", len(header)) + header
        return zlib.compress(b"".join([head, bytes(-len(head) % _ALIGN), *pieces.parts]), _LEVEL)

    def id_of(self, kind: str, raw: bytes) -> int:
        """The number by which this content is known."""
        key = kind, hashlib.blake2b(raw, digest_size=16).digest()
        if key not in self._ids:
            self._ids_given += 1
            self._ids[key] = self._ids_given
        return self._ids[key]

    def known(self, piece: int) -> bool:
        return piece in self._known


class _Pieces:
    """The pieces of one payload."""

    def __init__(self, wire: Wire) -> None:
        self.used: set[int] = set()
        self.index: list[list[Any]] = []
        self.parts: list[bytes] = []
        self._wire, self._size = wire, 0

    def dump(self, value: Any) -> str:
        return json.dumps(_clean(value), default=self._refer, allow_nan=False, ensure_ascii=False, separators=(",", ":"))

    def _refer(self, value: Any) -> dict[str, Any]:
        if isinstance(value, Merged):
            merged = {"$": {"of": self._part(value.rest)} | {name: self._array(array) for name, array in value.arrays.items()}}
            return merged | {"with": value.values} if value.values else merged
        return {"$": self._part(value) if isinstance(value, Part) else self._array(value)}

    def _part(self, part: Part) -> int:
        raw = self.dump(part.value).encode()
        return self._add("json", raw, len(raw), [])

    def _array(self, array: np.ndarray) -> int | list[int]:
        packed = packable(array)
        kind, shape = packed.dtype.str[1:], list(packed.shape) if packed.ndim > 1 else []
        gaps = np.flatnonzero(np.isnan(packed) if packed.dtype.kind == "f" and packed.ndim == 1 else [])
        if not 0 < len(gaps) <= _MOST_GAPS or gaps[-1] != packed.size - 1:
            return self._add(kind, packed.tobytes(), packed.size, shape)
        starts = [0, *(gaps[:-1] + 1)]
        parts = [packed[start:end] for start, end in zip(starts, gaps, strict=True)]
        return [self._add(kind, part.tobytes(), part.size, []) for part in parts]

    def _add(self, kind: str, raw: bytes, length: int, shape: list[int]) -> int:
        piece = self._wire.id_of(f"{kind}{shape}", raw)
        if piece not in self.used and not self._wire.known(piece):
            self.index.append([piece, kind, self._size, length, shape])
            self.parts.append(raw + bytes(-len(raw) % _ALIGN))
            self._size += len(self.parts[-1])
        self.used.add(piece)
        return piece


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
