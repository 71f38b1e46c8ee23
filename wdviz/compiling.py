"""Compiled functions, kept by what decides their shapes and branches."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

import jax

MOST = 64  # kept of one kind; the one unused for longest goes first


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
