"""Edits as text: one text for the same edits, and whatever else comes in an address is refused by name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wdviz.edits import LONGEST, MOST, Edits, parse, write
from wdviz.settings import MAX_TRAIN

COORDINATES = st.integers(-2000, 2000).map(lambda cents: cents / 100)
EDITS = st.builds(
    Edits,
    st.sets(st.integers(0, MOST - 1), max_size=20).map(lambda indices: tuple(sorted(indices))),
    st.lists(st.tuples(COORDINATES, COORDINATES, st.integers(0, 9)), max_size=20).map(tuple),
)


def test_written_edits_look_as_described():
    assert write(Edits((17, 3), ((1.25, -0.4, 1), (-0.0, 20.0, 0)))) == "r3~r17~a1.25_-0.4_1~a0_20_0"
    assert write(Edits()) == ""
    assert parse("") == Edits()


@given(EDITS)
def test_edits_survive_being_written_and_parsed(edits):
    assert parse(write(edits)) == edits


@given(
    st.builds(Edits, st.lists(st.integers(0, MOST - 1)).map(tuple), st.lists(st.tuples(*[st.floats(-20, 20)] * 2, st.just(3))).map(tuple))
)
def test_what_is_written_is_canonical_whatever_it_is_written_from(edits):
    text = write(edits)
    assert write(parse(text)) == text


@given(EDITS, st.randoms(use_true_random=False))
def test_order_and_repetition_of_removed_points_are_of_no_account(edits, random):
    removed = [f"r{index:03d}" for index in edits.removed] * 2
    random.shuffle(removed)
    items = removed + (write(Edits((), edits.added)).split("~") if edits.added else [])
    random.shuffle(items)
    found = parse("~".join(items))
    assert found.removed == edits.removed
    assert sorted(found.added) == sorted(edits.added)


def test_numbers_are_rounded_to_hundredths():
    assert parse("a1.2549_-0.001_1") == Edits((), ((1.25, 0.0, 1),))
    assert write(parse("a-0.001_-20.004_1")) == "a0_-20_1"


@given(st.text() | st.text("ra~_-.0123456789einfx", max_size=40))
def test_any_text_is_either_edits_or_a_value_error(text):
    try:
        written = write(parse(text))
    except ValueError:
        return
    assert write(parse(written)) == written


def test_a_long_text_is_not_repeated_whole():
    with pytest.raises(ValueError, match="is no edit") as error:
        parse("r" + "9" * 5000)
    assert len(str(error.value)) < 300


@pytest.mark.parametrize(
    "item",
    [
        *("r500", "r-1", "r1.5", "r", "anan_0_0", "a0_inf_0", "a20.01_0_0", "a0_-20.006_0", "a0_0_10", "a0_0", "a1e3_0_0", "a1_ 1_0"),
        *("a1__import__", "", "~", "a1_1_٣"),  # the last is a digit, but no ASCII one
    ],
)
def test_a_bad_item_is_named_with_what_is_allowed(item):
    with pytest.raises(ValueError, match=r"index from 0 to 499, or a<x>_<y>_<label> with x and y from -20 to 20") as error:
        parse(f"r1~{item}")
    assert str(error.value).startswith(repr(item.strip("~")))


def test_there_are_as_many_items_as_training_points_at_most():
    assert MOST == MAX_TRAIN
    full = Edits(tuple(range(MOST)), ((-19.99, -19.99, 9),) * MOST)
    assert parse(write(full)) == full
    with pytest.raises(ValueError, match="the edits add 501 points; they may add at most 500"):
        parse(write(full) + "~a0_0_0")
    with pytest.raises(ValueError, match=f"the edits have {LONGEST + 1} characters; they may have at most {LONGEST}"):
        parse("~" * (LONGEST + 1))
