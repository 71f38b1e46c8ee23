"""Compiled functions: made once, bounded, and by one thread alone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import jax.numpy as jnp
import numpy as np

from tests.helpers import count_compilations
from wdviz.compiling import Programs


def double(x):
    return 2 * x


def test_a_function_is_compiled_once_and_the_one_unused_for_longest_goes_first():
    programs = Programs(most=2)
    examples = [0]

    def example():
        examples[0] += 1
        return (np.float32(1),)

    for key in ("a", "b", "a", "c", "a"):
        assert programs.get(key, double, example)(np.float32(3)) == 6
    assert examples == [3]
    assert len(programs) == 2
    programs.get("b", double, example)
    assert examples == [4]  # it had gone
    programs.get("a", double, example)
    assert examples == [4]


def test_threads_that_ask_at_once_compile_once():
    programs, x = Programs(), jnp.arange(7.0)
    with count_compilations() as compiled, ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: programs.get("same", lambda y: jnp.cumsum(y) ** 3, lambda: (x,)), range(8)))
    assert len(compiled) == 1
    assert all(each is found[0] for each in found)
