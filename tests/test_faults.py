"""What may go wrong around the server: the folder of compiled programs is broken or the disk full, the clock jumps."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests import apps
from tests.serving import ROOT
from wdviz import compiling, runs
from wdviz.runs import Run
from wdviz.settings import Settings

# One small run for each pair of arguments, each in a process of its own, since a bad program could end it: what can be written, and
# where compiled programs are kept. Tells what each gave.
TRAIN = """
import hashlib, os, resource, signal, sys
from wdviz import compiling, runs
from wdviz.settings import Settings

for how, cache in zip(sys.argv[1::2], sys.argv[2::2]):
    if os.fork():
        sys.exit(3) if os.wait()[1] else None
        continue
    os.environ["WDVIZ_CACHE"] = cache
    runs.prepare()
    if how == "disk full":  # no byte can be written to any file
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    history = runs.Run.of(Settings(model="linear", steps=20, decay=2.0), 0).execute()
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    print(hashlib.sha256(b"".join(losses.tobytes() for losses in history.losses.values())).hexdigest(), flush=True)
    os._exit(0)
"""


def trained(*where: tuple[str, Path]) -> list[str]:
    """What the curves are that each process gave, as a number."""
    arguments = [str(part) for pair in where for part in pair]
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", TRAIN, *arguments], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.split()


def contents(cache: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in cache.glob("*-cache")}


def damage(paths: Sequence[Path]) -> None:
    """Every other program is cut short, in the others one byte is another."""
    for path, cut in zip(paths, itertools.cycle((True, False))):
        raw = bytearray(path.read_bytes())
        raw[len(raw) // 2] ^= 0xFF
        path.write_bytes(raw[: len(raw) // 2] if cut else raw)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, str]:
    """A folder of compiled programs, one on a disk that was full then, and what a run gives, with either or with none."""
    root = tmp_path_factory.mktemp("compiled")
    good, full, no_folder = root / "good", root / "full", root / "file"
    full.mkdir()
    no_folder.write_text("in its place")
    expected, *others = trained(("", good), ("disk full", full), ("", no_folder))
    assert others == [expected, expected]
    return good, full, expected


def test_only_damaged_programs_are_dropped(compiled: tuple[Path, Path, str], tmp_path: Path):
    cache = tmp_path / "cache"
    shutil.copytree(compiled[0], cache)
    first, second, *rest = sorted(cache.glob("*-cache"))
    damage([first])
    second.with_name(second.name.removesuffix("-cache") + "-atime").unlink()
    (cache / "other").write_text("not ours")
    assert compiling.mend(cache) == 2
    assert sorted(cache.glob("*-cache")) == rest
    assert (cache / "other").exists()
    assert compiling.mend(cache) == 0
    assert compiling.mend(tmp_path / "none") == compiling.mend(cache / "other") == 0


def test_runs_are_the_same_with_damaged_programs_which_are_then_made_anew(compiled: tuple[Path, Path, str]):
    good, full, expected = compiled
    whole = contents(good)
    assert len(whole) >= 2
    damage(sorted(good.glob("*-cache")))
    assert all(contents(good)[name] != whole[name] for name in whole)
    assert trained(("", good), ("", full)) == [expected, expected]
    assert sorted(contents(good)) == sorted(whole)
    assert [name.split("-")[0] for name in sorted(contents(full))] == [name.split("-")[0] for name in sorted(whole)]  # a folder's own keys
    assert compiling.mend(good) == compiling.mend(full) == 0


@pytest.fixture
def jumping(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that is an hour ahead at one look and an hour behind at the next."""
    jumps, real = itertools.cycle((3600.0, -3600.0)), time.time
    monkeypatch.setattr(time, "time", lambda: real() + next(jumps))


def test_runs_do_not_look_at_the_clock(jumping: None):
    jobs = [Run.of(Settings(steps=20, decay=decay, seed=613), 613) for decay in (1.0, 2.0, 3.0)]
    before = runs.pool().state().computed_seconds
    sweep = runs.sweep(jobs)
    assert set(sweep.wait_all()) == set(jobs)
    assert sweep.seconds_left is not None
    assert 0 <= sweep.seconds_left < 600
    assert 0 <= runs.pool().state().computed_seconds - before < 600


def test_a_page_does_not_look_at_the_clock(jumping: None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(apps, "TIMEOUT", 10_000)  # by Streamlit's test runner, which does look at it
    app = apps.open_page("overfitting", steps=20, seeds=3)
    assert " left" not in apps.scene(app)["status"]
    apps.settled(app)
    before = apps.scene(app)["result"]
    apps.put(app, decay=30.0)
    assert not apps.settled(app)["status"]
    assert apps.scene(app)["result"] != before
