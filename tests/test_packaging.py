"""The archives of a release: what is in them, and that the command `wdviz` of the wheel starts the same server in an empty folder."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import socket
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import urllib.error
import urllib.request
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.visitors import Visitor
from tests.serving import ROOT, Server, running
from wdviz import cluster
from wdviz.serving import command
from wdviz.ui import files

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
SMALL = "seeds=2&steps=20"
BESIDE = ("app.py", "pages/*.py", "assets/*.js", "assets/*.css", "assets/text/*.md", ".streamlit/config.toml")  # the package
LEFT_OUT = shutil.ignore_patterns(".venv", ".git", ".cache", "build", "dist", "*.egg-info")
SECRET = "a secret that nobody may read"
STRAYS = (".streamlit/secrets.toml", "wdviz.env", ".env", "wdviz/.env", "wdviz/__pycache__/x.pyc", ".pytest_cache/x", "assets/text/x.bak")
QUICK = ("--no-build-isolation", "--offline", "--quiet", "--python", sys.executable)  # with the setuptools of this environment


def sources(tree: Path) -> dict[str, Path]:
    """What of a tree belongs into the wheel, by its name there."""
    package = {path.relative_to(tree).as_posix(): path for path in (tree / "wdviz").rglob("*.py")}
    beside = [path for pattern in BESIDE for path in tree.glob(pattern)]
    return package | {f"wdviz/lab/{path.relative_to(tree).as_posix()}": path for path in beside}


# --- the archives -----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both in `dist`, built from `tree`, this one in which strange files lie about; the wheel from the source archive."""
    folder = tmp_path_factory.mktemp("release")
    shutil.copytree(ROOT, folder / "tree", ignore=LEFT_OUT)
    for name in STRAYS:
        (folder / "tree" / name).parent.mkdir(exist_ok=True)
        (folder / "tree" / name).write_text(SECRET)
    subprocess.run([*uv("build"), *QUICK, "--out-dir", folder / "dist", folder / "tree"], check=True)
    return folder


def uv(*words: str) -> list[str | Path]:
    return [Path(sys.executable).with_name("uv"), *words]


def test_the_wheel_holds_the_program_whole_and_nothing_else(archives: Path):
    with zipfile.ZipFile(next(archives.glob("dist/*.whl"))) as wheel:
        found = {name: wheel.read(name) for name in wheel.namelist()}
    about = {name: found.pop(name) for name in list(found) if name.startswith(f"wdviz-{VERSION}.dist-info/")}
    assert found == {name: path.read_bytes() for name, path in sources(archives / "tree").items()}
    assert about[f"wdviz-{VERSION}.dist-info/licenses/LICENSE"] == (ROOT / "LICENSE").read_bytes()
    assert SECRET.encode() not in b"".join(about.values())


def test_the_source_archive_holds_the_sources_the_guides_and_no_tests(archives: Path):
    with tarfile.open(next(archives.glob("dist/*.tar.gz"))) as archive:
        members = {member.name.partition("/")[2]: member for member in archive if member.isfile()}
        found = {name: archive.extractfile(member).read() for name, member in members.items()}  # type: ignore[union-attr]
    made = {name for name in found if name.startswith("wdviz.egg-info/")} | {"PKG-INFO", "setup.cfg"}
    guides = {path.name for path in ROOT.glob("*.md")}
    tree = archives / "tree"
    wanted = {path.relative_to(tree).as_posix() for path in sources(tree).values()} | guides
    assert set(found) - made == wanted | {"LICENSE", "MANIFEST.in", "pyproject.toml"}
    assert not any(SECRET.encode() in content for content in found.values())


# --- the command, installed -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def program(archives: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command in an environment of its own, that takes all but wdviz from the one of the tests."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder / "env", symlinks=True)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(folder / "env")}))
    python = folder / "env" / "bin" / "python"
    subprocess.run(
        [*uv("pip", "install"), "--no-deps", "--offline", "--quiet", "--python", python, *archives.glob("dist/*.whl")], check=True
    )
    (packages / "theirs.pth").write_text(sysconfig.get_path("purelib"))
    return python.with_name("wdviz")


@pytest.fixture(scope="module")
def served(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("empty")
    with (folder.with_suffix(".log")).open("w+b") as log, running(log, program=str(program), folder=folder, PYTHONPATH="") as server:
        yield server
    assert not list(folder.iterdir())


def ask(address: str, method: str = "GET") -> tuple[int, Any, bytes]:
    try:
        with urllib.request.urlopen(urllib.request.Request(address, method=method)) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.headers, refused.read()


@pytest.mark.parametrize(("page", "query"), [("", "decay=3"), ("learning-rate", f"{SMALL}&side=3&map_seeds=1")])
def test_pages_give_their_pictures(served: Server, page: str, query: str):
    async def visit() -> Visitor:
        visitor = Visitor(served.url, page, query)
        await visitor.open()
        await visitor.settle()
        await visitor.vanish()
        return visitor

    visitor = asyncio.run(visit())
    assert visitor.errors == []
    assert visitor.picture
    assert visitor.picture.size > 5000


def test_files_are_served_under_the_addresses_that_this_tree_gives_them(served: Server):
    for name in ("stage.js", "stage.css", "base.js"):
        status, headers, content = ask(served.url + files.url(name))
        assert (status, headers["cache-control"]) == (200, "public, max-age=31536000, immutable")
        assert content == (ROOT / "assets" / name).read_bytes()


def test_it_is_the_server_of_make_run_with_its_settings(served: Server):
    status, headers, body = ask(served.url)
    assert status == 200
    assert "frame-ancestors 'self'" in headers["content-security-policy"]
    assert "/assets/" in headers["link"]
    assert SECRET.encode() not in body
    assert ask(served.url, "POST")[0] == 405
    host = json.loads(ask(f"{served.url}/_stcore/host-config")[2])
    assert host["allowedOrigins"] == []  # .streamlit/config.toml, against Streamlit's default
    with pytest.raises(ConnectionRefusedError):  # it listens at 127.0.0.1 alone
        socket.create_connection(("127.0.0.2", served.port)).close()


def test_the_command_says_its_version(program: Path):
    assert subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout == f"wdviz {VERSION}\n"


def test_a_cluster_takes_jobs_of_a_checkout_and_of_the_wheel_for_the_same(program: Path, tmp_path: Path):
    asking = "import wdviz.cluster as c; print(c.__file__, c.versions()['wdviz'])"
    said = subprocess.run([program.with_name("python"), "-c", asking], cwd=tmp_path, capture_output=True, text=True, check=True)
    where, digest = said.stdout.split()
    assert where.startswith(str(program.parents[1]))
    assert digest == cluster.versions()["wdviz"]


# --- the command's words ----------------------------------------------------------------------------------------------------------


def test_options_are_handed_on_and_nothing_is_added(monkeypatch: pytest.MonkeyPatch):
    handed: list[list[str]] = []
    monkeypatch.setattr(command, "_serve", handed.append)
    command.main([])
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command.main(["--port", str(port), "--address", "127.0.0.1"])
    command.main(["--address", "0.0.0.0"])
    everywhere = ["--server.address=0.0.0.0", "--browser.serverAddress=localhost"]
    assert handed == [[], [f"--server.port={port}", "--server.address=127.0.0.1"], everywhere]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--port", "0"], "'0' is no port; it must be a whole number from 1 to 65535"),
        (["--port", "65536"], "from 1 to 65535"),
        (["--port", "-1"], "from 1 to 65535"),
        (["--port", "85O1"], "'85O1' is no port"),
        (["--port", "٨٥٠١"], "is no port"),
        (["--port"], "--port: expected one argument"),
        (["--address", "192.0.2.1"], "the app cannot listen at 192.0.2.1: "),
        (["--address", "no name"], "the app cannot listen at no name: "),
        (["--address", "a" * 70], "that is no address"),
        (["--prot", "8501"], "unrecognized arguments: --prot"),
    ],
)
def test_wrong_options_end_with_a_sentence(
    given: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(command, "_serve", pytest.fail)
    with pytest.raises(SystemExit, match="2"):
        command.main(given)
    assert said in capsys.readouterr().err


def test_a_port_that_is_taken_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(command, "_serve", pytest.fail)
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(SystemExit, match="2"):
        command.main(["--port", str(taken.getsockname()[1])])
    assert re.search(r"cannot listen at 127\.0\.0\.1, port \d+: Address already in use", capsys.readouterr().err)


def test_help_names_every_option(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit, match="0"):
        command.main(["--help"])
    said = capsys.readouterr().out
    assert all(name in said for name in ("--port", "--address", "--version", "--help", "HOSTING.md"))
