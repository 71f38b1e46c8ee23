"""What visitors share: `wdviz.ui.shared`, and that a scene made for one is the one that another gets."""

from __future__ import annotations

from typing import Any

import pytest

from tests.apps import open_page
from wdviz.ui import page
from wdviz.ui.live import Following
from wdviz.ui.scenes import overfitting
from wdviz.ui.shared import Shared


@pytest.fixture
def made() -> list[Any]:
    return []


def get(shared: Shared[Any], made: list[Any], key: Any, **held: int) -> Any:
    return shared.get(key, lambda: made.append(key) or f"the value of {key}", lambda _: {**held})


def test_a_value_is_made_once(made):
    shared = Shared[str](10, 1000)
    assert get(shared, made, 1, a=1) == get(shared, made, 1, a=1) == "the value of 1"
    assert made == [1]


def test_the_least_recently_used_goes_first(made):
    shared = Shared[str](2, 1000)
    for key in (1, 2, 1, 3, 1, 2):
        get(shared, made, key, a=1)
    assert made == [1, 2, 3, 2]
    assert len(shared) == 2


def test_what_several_hold_counts_once_until_the_last_of_them_goes(made):
    shared = Shared[str](2, 1000)
    get(shared, made, 1, big=600, a=10)
    get(shared, made, 2, big=600, b=20)
    assert shared.bytes == 630
    get(shared, made, 3, c=5)
    assert shared.bytes == 625
    get(shared, made, 4, d=1)
    assert shared.bytes == 6


def test_it_stays_within_its_bytes_and_one_value_beyond_them_is_not_kept(made):
    shared = Shared[str](10, 1000)
    for key in range(5):
        get(shared, made, key, **{f"{key}": 300})
    assert (len(shared), shared.bytes) == (3, 900)
    assert get(shared, made, "large", huge=5000) == "the value of large"
    assert (len(shared), shared.bytes) == (0, 0)


def test_what_is_followed_is_equal_where_it_looks_the_same():
    one = Following({"a": 1}, 2, 0.7)
    assert one == Following({"a": 1}, 2, 0.9)  # both say nothing of so short a time
    assert hash(one) == hash(Following({"a": 1}, 2, 0.9))
    different = [
        Following({"a": 1}, 2, 7.0),
        Following({"a": 1}, 3, 0.7),
        Following({"a": 1, "b": 2}, 2, 0.7),
        Following({"a": 1}, 2, 0.7, stopped=True),
        Following({"a": 1}, 2, 0.7, place=3),
        Following({"a": 1}, 2, 0.7, moving=True),
    ]
    assert all(other != one for other in different)


def test_two_visitors_who_want_the_same_share_its_scene(monkeypatch: pytest.MonkeyPatch):
    calls: list[Any] = []
    make = overfitting.followed
    monkeypatch.setattr(page, "_scenes", Shared[Any](10, 2**26))
    monkeypatch.setattr(overfitting, "followed", lambda *given, **options: calls.append(options) or make(*given, **options))
    first = open_page("overfitting")
    count = len(calls)
    second = open_page("overfitting", test_points=True)
    assert len(calls) > count  # another view of it is another scene
    assert not first.exception
    assert not second.exception
    again = len(calls)
    open_page("overfitting", test_points=True)
    assert len(calls) == again
