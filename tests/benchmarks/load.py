"""How the running app bears many visitors at once: `make bench ARGS="load class"`.

    think   30 visitors on all pages, each moves the decay after 3 s on average; the server has been up for some minutes (WDVIZ_AHEAD=all)
    crowd   100 of them
    fresh   as think, but on a server that has just started, has trained nothing ahead and must compute all that is asked for
    class   30 visitors of one page move the same slider at the same moment, to one value and to different ones
    sweep   one visitor's long sweep under way while another moves a slider
    churn   1,000 sessions opened and closed
    soak    30 visitors for half an hour, some of whom vanish and come back; not part of `load` without a name

The visitors share this machine's cores with the server, so their own processor time is printed too.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from urllib.request import urlopen

import numpy as np

from tests.benchmarks import report
from tests.benchmarks.visitors import Trouble, Visitor
from tests.serving import Server, free_port, running
from wdviz.settings import DECAYS, Settings
from wdviz.ui.contents import PAGES

PATHS = ("", *list(PAGES)[1:])  # of the pages; the first one opens without a name
PAINT_S = 0.1  # a browser's work on a picture before it asks for more, as `make bench ARGS=page` measures it
RAMP_S = 0.05  # between two visitors who come
VANISH = 0.02  # of the soak's visitors who lose their connection before a move and come back
LARGE_CLASS = 30
LONG_SWEEP = "learning-rate"
AHEAD_SECONDS = 1200
GROWTH = 1.05  # of memory, at most


@dataclass
class Moves:
    """What visitors met: seconds until first pictures since the hand moved, of it since the ask was sent, and errors."""

    seen: list[float] = field(default_factory=list)
    sent: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    received: int = 0
    pictures: int = 0

    async def move(self, visitor: Visitor, decay: float) -> None:
        """One visitor moves the decay; trouble counts as an error."""
        with contextlib.suppress(Trouble):
            seen, sent = await visitor.ask({"decay": f"{decay:g}"})
            self.seen.append(seen)
            self.sent.append(sent)


@dataclass(frozen=True)
class Usage:
    """What a process has used: seconds of processor time, bytes of memory."""

    cpu: float
    rss: int
    at: float

    @classmethod
    def of(cls, pid: int) -> Usage:
        # After the name, which may hold spaces: user and system time are fields 14 and 15 of the line.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks, pages = int(fields[11]) + int(fields[12]), int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return cls(ticks / os.sysconf("SC_CLK_TCK"), pages * os.sysconf("SC_PAGE_SIZE"), time.monotonic())


@contextlib.asynccontextmanager
async def visitors(server: Server, moves: Moves, pages: Sequence[str], query: str = "") -> AsyncIterator[list[Visitor]]:
    """One visitor for each of `pages`, once all have their first picture; what they received and met is added to `moves`."""
    there = [Visitor(server.url, page, query, paint=PAINT_S) for page in pages]

    async def come(visitor: Visitor, at: float) -> None:
        await asyncio.sleep(at)
        with contextlib.suppress(Trouble):
            await visitor.open()

    try:
        await asyncio.gather(*(come(visitor, k * RAMP_S) for k, visitor in enumerate(there)))
        yield there
    finally:
        await asyncio.gather(*(visitor.vanish() for visitor in there))
        for visitor in there:
            moves.received += visitor.received
            moves.pictures += visitor.pictures
            moves.errors += visitor.errors


async def think(server: Server, moves: Moves, *, count: int, seconds: float, mean: float, vanish: float = 0.0) -> None:
    """Each visitor of a page, dealt out in turn, thinks for an exponential time, then moves the decay to a random value."""
    rng = random.Random(0)

    async def one(visitor: Visitor, until: float) -> None:
        while (pause := rng.expovariate(1 / mean)) < until - time.monotonic():
            await asyncio.sleep(pause)
            if rng.random() < vanish:
                await visitor.vanish()
                with contextlib.suppress(Trouble):
                    await visitor.open()
            await moves.move(visitor, rng.choice(DECAYS))

    async with visitors(server, moves, [PATHS[k % len(PATHS)] for k in range(count)]) as there:
        until = time.monotonic() + seconds
        await asyncio.gather(*(one(visitor, until) for visitor in there))


async def follow_teacher(server: Server, moves: Moves, *, alike: bool, rounds: int = 8) -> None:
    """All visitors of the first page move at once: to the same decay, or each to another; none was computed before."""
    decays = [decay for decay in DECAYS if decay != Settings().decay]
    async with visitors(server, moves, [""] * LARGE_CLASS, f"seed={701 if alike else 801}") as there:
        for k in range(rounds):
            await asyncio.gather(*(visitor.settle() for visitor in there))
            wanted = [decays[k if alike else (k + j) % len(decays)] for j in range(len(there))]
            await asyncio.gather(*(moves.move(*pair) for pair in zip(there, wanted, strict=True)))


async def beside_sweep(server: Server, moves: Moves, *, count: int = 20) -> None:
    """One visitor's page computes hundreds of runs while another moves the decay, each time to a value not computed before."""
    ignored = Moves()
    async with (
        visitors(server, ignored, [LONG_SWEEP], "seed=901") as (busy,),
        visitors(server, moves, [""], "seed=901") as (other,),
    ):
        done = 0
        for decay in random.Random(0).sample([decay for decay in DECAYS if decay != Settings().decay], count):
            await asyncio.sleep(0.5)
            await moves.move(other, decay)
            done += bool(busy.picture and busy.picture.more)
        report.note(f"the sweep was under way at {done} of {count} moves: {busy.picture.status if busy.picture else ''}")
    moves.errors += ignored.errors


async def churn(server: Server, moves: Moves, *, count: int, together: int = 8) -> None:
    """Sessions of all pages are opened and their connections lost, some at a time."""
    places = asyncio.Semaphore(together)

    async def one(page: str) -> None:
        async with places:
            visitor = Visitor(server.url, page, paint=PAINT_S)
            with contextlib.suppress(Trouble):
                moves.seen.append(await visitor.open())
            await visitor.vanish()
            moves.received += visitor.received
            moves.pictures += visitor.pictures
            moves.errors += visitor.errors

    await asyncio.gather(*(one(PATHS[k % len(PATHS)]) for k in range(count)))


# --- what is printed --------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def measured(name: str, server: Server, *, p50: float = 0, p99: float = 0, most: float = 0, flat: bool = False) -> Iterator[Moves]:
    """Prints what the visitors met beside the goals in seconds, and what it cost."""
    moves, before, own = Moves(), Usage.of(server.process.pid), time.process_time()
    yield moves
    after, own = Usage.of(server.process.pid), time.process_time() - own
    passed = after.at - before.at
    found = np.array(moves.seen or [np.nan])
    report.title(f"{name}: {len(moves.seen)} in {passed:.0f} s")
    for words, goal, value in (("p50", p50, np.quantile(found, 0.5)), ("p99", p99, np.quantile(found, 0.99)), ("max", most, found.max())):
        wanted = f"at most {1000 * goal:.0f} ms" if goal else ""
        report.figure(f"first picture, {words}", f"{1000 * value:8.0f} ms", wanted, met=bool(value <= goal) if goal else None)
    report.figure("first picture, p90", f"{1000 * np.quantile(found, 0.9):8.0f} ms")
    if moves.sent:
        late = np.array(moves.seen) - np.array(moves.sent)
        report.figure("    of it before the ask could be sent", f"{1000 * late.mean():8.0f} ms mean, {1000 * late.max():.0f} max")
    report.figure("errors", f"{len(moves.errors):8d}", "0", met=not moves.errors)
    for text in sorted(set(moves.errors))[:5]:
        report.note(f"    {text[:150]}")
    report.figure("received", f"{moves.received / 1e6:8.1f} MB, {moves.received / max(1, moves.pictures) / 1000:.0f} kB a picture")
    cores = f"{(after.cpu - before.cpu) / passed:8.2f} cores; the visitors {own / passed:.2f}"
    report.figure("processor time of the server", cores)
    grown = after.rss / before.rss
    goal = f"growth at most {100 * (GROWTH - 1):.0f} %" if flat else ""
    memory = f"{before.rss / 2**20:8.0f} to {after.rss / 2**20:.0f} MiB, {100 * (grown - 1):+.1f} %"
    report.figure("memory of the server", memory, goal, met=grown <= GROWTH if flat else None)


def _think(server: Server, options: argparse.Namespace) -> None:
    with measured("30 visitors, mean think time 3 s, all pages", server, p50=0.15, p99=1) as moves:
        asyncio.run(think(server, moves, count=30, seconds=options.seconds, mean=3))


def _fresh(server: Server, options: argparse.Namespace) -> None:
    with measured("30 visitors, mean think time 3 s, all pages, server just started", server) as moves:
        asyncio.run(think(server, moves, count=30, seconds=options.seconds, mean=3))


def _crowd(server: Server, options: argparse.Namespace) -> None:
    with measured("100 visitors, mean think time 3 s, all pages", server, p99=3) as moves:
        asyncio.run(think(server, moves, count=100, seconds=options.seconds, mean=3))


def _class(server: Server, options: argparse.Namespace) -> None:
    with measured(f"a class of {LARGE_CLASS} moves to the same value at once", server, p99=0.7) as moves:
        asyncio.run(follow_teacher(server, moves, alike=True))
    with measured(f"a class of {LARGE_CLASS} moves at once, each to another value", server, p99=0.7) as moves:
        asyncio.run(follow_teacher(server, moves, alike=False))


def _sweep(server: Server, options: argparse.Namespace) -> None:
    with measured("beside another visitor's long sweep", server, most=1) as moves:
        asyncio.run(beside_sweep(server, moves))


def _churn(server: Server, options: argparse.Namespace) -> None:
    asyncio.run(churn(server, Moves(), count=150))  # Streamlit keeps the last 128 sessions that were lost
    with measured("1,000 sessions opened and closed", server, flat=True) as moves:
        asyncio.run(churn(server, moves, count=1000))


def _soak(server: Server, options: argparse.Namespace) -> None:
    seconds = 60 * options.minutes
    asyncio.run(think(server, Moves(), count=30, seconds=min(120, seconds / 2), mean=3))  # fills the caches
    with measured(f"a soak of {options.minutes:g} minutes, 30 visitors", server, flat=True) as moves:
        asyncio.run(think(server, moves, count=30, seconds=seconds, mean=3, vanish=VANISH))


SCENARIOS: dict[str, Callable[[Server, argparse.Namespace], None]] = {
    "think": _think,
    "crowd": _crowd,
    "fresh": _fresh,
    "class": _class,
    "sweep": _sweep,
    "churn": _churn,
    "soak": _soak,
}


UP_FOR_LONG = ("think", "crowd", "soak")


@contextlib.contextmanager
def up(log: IO[bytes], *, ahead: bool) -> Iterator[Server]:
    """A server; with `ahead`, once it has trained all that it trains while it has nothing else to do, as one that is up for minutes."""
    metrics = f"127.0.0.1:{free_port()}"
    with running(log, WDVIZ_CONNECTIONS="1000", WDVIZ_METRICS=metrics, WDVIZ_AHEAD="all" if ahead else "none") as server:
        started = time.monotonic()
        while ahead and b"wdviz_training_ahead 0.0" not in urlopen(f"http://{metrics}/metrics", timeout=60).read():
            if time.monotonic() - started > AHEAD_SECONDS:
                raise RuntimeError(f"the server was not done after {AHEAD_SECONDS} s")
            time.sleep(1)
        if ahead:
            report.note(f"trained ahead for {time.monotonic() - started:.0f} s")
        yield server


def main(arguments: Sequence[str] = ()) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks load", description="Load on the running app.")
    parser.add_argument("scenario", nargs="*", help=f"of {', '.join(SCENARIOS)} (default: all but soak)")
    parser.add_argument("--seconds", type=float, default=60, help="of think and of crowd (default: 60)")
    parser.add_argument("--minutes", type=float, default=30, help="of soak (default: 30)")
    options = parser.parse_args(arguments)
    if unknown := set(options.scenario) - set(SCENARIOS):
        parser.error(f"there is no scenario {', '.join(sorted(unknown))}; there are {', '.join(SCENARIOS)}")
    report.title(f"LOAD: one server and its visitors on the same {os.cpu_count()} cores, which they share")
    for name in options.scenario or [name for name in SCENARIOS if name != "soak"]:
        # Each with a server of its own, so that none finds what another had computed. All visitors come from one address.
        with tempfile.TemporaryFile() as log, up(log, ahead=name in UP_FOR_LONG) as server:
            SCENARIOS[name](server, options)
