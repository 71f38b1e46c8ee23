"""What was made for one visitor and serves all others who want the same: pictures and whole scenes, bounded in number and in bytes."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Mapping
from typing import Generic, TypeVar

T = TypeVar("T")


class Shared(Generic[T]):
    """The last `most` values that were made, by their keys, or fewer if what they hold takes more than `most_bytes`."""

    def __init__(self, most: int, most_bytes: int) -> None:
        self._limits, self._guard = (most, most_bytes), threading.Lock()
        self._kept: OrderedDict[Hashable, tuple[T, Mapping[Hashable, int]]] = OrderedDict()
        self._holders = Counter[Hashable]()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Hashable, make: Callable[[], T], held: Callable[[T], Mapping[Hashable, int]]) -> T:
        """The value of `key`, made if there is none. `held`: about the bytes that it holds; what several hold counts once, by its name."""
        with self._guard:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key][0]
        made = make()
        with self._guard:
            if key in self._kept:  # made by another thread meanwhile
                return self._kept[key][0]
            self._kept[key] = made, dict(held(made))
            for name, size in self._kept[key][1].items():
                self.bytes += 0 if self._holders[name] else size
                self._holders[name] += 1
            while self._kept and (len(self._kept) > self._limits[0] or self.bytes > self._limits[1]):
                self._drop_oldest()
        return made

    def _drop_oldest(self) -> None:
        for name, size in self._kept.popitem(last=False)[1][1].items():
            self._holders[name] -= 1
            if not self._holders[name]:
                del self._holders[name]
                self.bytes -= size
