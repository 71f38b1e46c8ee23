"""Threads draw one at a time, first pictures first, and nobody waits for ever."""

from __future__ import annotations

import threading

import pytest

from tests.test_pool import PATIENCE, until
from wdviz.ui.turns import ROW, Turns


class Queue:
    """Threads that come one after the other, while the first turn is held, and note when they have theirs."""

    def __init__(self) -> None:
        self.turns, self.order = Turns(), list[str]()
        self.threads: list[threading.Thread] = []
        self.turns.take(urgent=True)

    def come(self, name: str, *, urgent: bool) -> None:
        def draw() -> None:
            self.turns.take(urgent=urgent)
            self.order.append(name)
            self.turns.end()

        self.threads.append(threading.Thread(target=draw, daemon=True))
        self.threads[-1].start()
        until(lambda: sum(map(len, self.turns._waiting.values())) == len(self.threads))

    def go(self) -> list[str]:
        self.turns.end()
        for thread in self.threads:
            thread.join(PATIENCE)
        return self.order


def test_turns_come_in_order_and_first_pictures_first():
    queue = Queue()
    for name, urgent in (("more 1", False), ("first 1", True), ("more 2", False), ("first 2", True)):
        queue.come(name, urgent=urgent)
    assert queue.order == []  # one at a time
    assert queue.go() == ["first 1", "first 2", "more 1", "more 2"]


def test_those_who_want_more_are_not_kept_out_for_ever():
    queue = Queue()
    queue.come("more", urgent=False)
    for k in range(ROW + 3):
        queue.come(f"first {k}", urgent=True)
    assert queue.go().index("more") == ROW


def test_a_turn_is_taken_once_and_ended_by_its_own_thread_alone():
    turns, queue = Turns(), Queue()
    turns.end()  # nobody's: nothing to hand over
    turns.take(urgent=True)
    turns.take(urgent=False)  # still the same one
    queue.come("other", urgent=True)
    stranger = threading.Thread(target=queue.turns.end)
    stranger.start()
    stranger.join(PATIENCE)
    assert queue.order == []
    assert queue.go() == ["other"]
    turns.end()
    assert turns._taken is False


@pytest.mark.parametrize("urgent", [True, False])
def test_a_free_turn_is_taken_at_once(urgent: bool):
    turns = Turns()
    for _ in range(3):
        turns.take(urgent=urgent)
        turns.end()
    assert turns._taken is False
