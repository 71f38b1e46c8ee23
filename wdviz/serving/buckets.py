"""Token buckets: so much at once, so much a second after that; a bounded table of them, one for each address."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

Clock = Callable[[], float]


class Bucket:
    """Allows `burst` at once and `rate` a second on average.

    Time is the monotonic clock, so that a change of the machine's date neither empties nor fills a bucket.
    """

    def __init__(self, rate: float, burst: float, clock: Clock = time.monotonic) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._left, self._at = burst, clock()

    def take(self, cost: float = 1) -> bool:
        """Take `cost` if there is as much."""
        self._fill()
        enough = self._left >= cost
        self._left -= cost if enough else 0
        return enough

    def wait(self) -> float:
        """Take one in any case; the seconds to wait until there would have been one."""
        self._fill()
        self._left -= 1
        return max(-self._left / self._rate, 0.0)

    def _fill(self) -> None:
        now = self._clock()
        self._left, self._at = min(self._left + (now - self._at) * self._rate, self._burst), now


class Buckets:
    """One bucket for each address; those used last are kept."""

    def __init__(self, rate: float, burst: float, most: int = 10_000, clock: Clock = time.monotonic) -> None:
        self._make = lambda: Bucket(rate, burst, clock)
        self._most, self._known = most, OrderedDict[str, Bucket]()

    def take(self, address: str, cost: float = 1) -> bool:
        """Take `cost` from the bucket of the address if there is as much."""
        bucket = self._known.pop(address, None) or self._make()
        self._known[address] = bucket
        if len(self._known) > self._most:
            self._known.popitem(last=False)
        return bucket.take(cost)

    def __len__(self) -> int:
        return len(self._known)
