"""Compiled functions, kept by what decides their shapes and branches; the folder in which JAX keeps them between processes."""

from __future__ import annotations

import contextlib
import threading
import zlib
from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

import jax
from filelock import FileLock

MOST = 64  # kept of one kind; the one unused for longest goes first
_ZSTANDARD = bytes.fromhex("28b52ffd")  # how a program begins that JAX compressed so, which says too little to be checked here


class Programs:
    """Functions compiled at first use. Two threads that ask for the same one at once compile it once."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._kept: OrderedDict[Hashable, Any] = OrderedDict()
        self._locks: dict[Hashable, threading.Lock] = {}
        self._guard = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Hashable, function: Callable[..., Any], example: Callable[[], tuple[Any, ...]]) -> Callable[..., Any]:
        """The compiled `function` of this key.

        Arguments:
            example: gives arguments, or their shapes and types; asked for only where the function is not compiled yet.
        """
        with self._guard:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            with self._guard:
                if key in self._kept:
                    self._kept.move_to_end(key)
                    return self._kept[key]
            compiled = jax.jit(function).lower(*example()).compile()
            with self._guard:
                self._kept[key] = compiled
                while len(self._kept) > self._most:
                    self._locks.pop(self._kept.popitem(last=False)[0], None)
            return compiled


def mend(folder: Path) -> int:
    """Drop the damaged entries of JAX's compilation cache; how many there were.

    JAX passes them over but never replaces them, so their programs would be compiled at each start; and one whose time of last use was
    not written, as on a full disk, keeps it from adding any other.
    """
    dropped = 0
    with contextlib.suppress(OSError), FileLock(folder / ".lockfile", timeout=10):  # the lock under which JAX reads and writes there
        for entry in folder.glob("*-cache"):
            used = entry.with_name(entry.name.removesuffix("-cache") + "-atime")
            if not (used.is_file() and used.stat().st_size and _whole(entry)):
                entry.unlink()
                used.unlink(missing_ok=True)
                dropped += 1
    return dropped


def _whole(entry: Path) -> bool:
    raw = entry.read_bytes()
    try:
        return raw.startswith(_ZSTANDARD) or bool(zlib.decompress(raw))
    except zlib.error:
        return False
