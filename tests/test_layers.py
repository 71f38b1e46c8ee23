"""Imports run downward only: the contracts in pyproject.toml, the scripts outside the package, and the guides that describe them."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
GUIDES = ("ARCHITECTURE.md", "CONTRIBUTING.md", "README.md")
SCRIPTS = [ROOT / "app.py", *sorted((ROOT / "pages").glob("*.py"))]


def test_contracts_are_kept() -> None:
    # In a process of its own: the linter silences the loggers of the process it runs in.
    lint = Path(sys.executable).with_name("lint-imports")
    report = subprocess.run([lint, "--no-logo", "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert report.returncode == 0, report.stdout + report.stderr


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_script_does_not_import_jax(script: Path) -> None:
    assert imported(script.read_text()).isdisjoint({"jax", "jaxlib", "optax"})


def test_the_picture_shows_the_layers_of_the_contract() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["id"] == "layers")
    picture = (ROOT / "ARCHITECTURE.md").read_text().split("```mermaid")[1].split("```")[0]
    boxes = dict(re.findall(r'^ *(\w+)\["(.+?)<br/>', picture, re.MULTILINE))
    assert list(boxes.values()) == layers, "draw the layers of pyproject.toml in ARCHITECTURE.md, in their order"
    order = next(line for line in picture.splitlines() if "~~~" in line).split("~~~")
    assert [name.strip() for name in order] == ["scripts", *boxes]


@pytest.mark.parametrize("guide", GUIDES)
def test_what_a_guide_names_is_there(guide: str) -> None:
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", (ROOT / guide).read_text(), flags=re.DOTALL))
    paths = [span for span in spans if re.fullmatch(r"(?:assets|pages|tests|wdviz)/[\w/.-]*", span)]
    assert [path for path in paths if not (ROOT / path).exists()] == []
    members = [span for span in spans if re.fullmatch(r"[a-z_]+\.[A-Za-z_]+", span) and not re.search(r"\.(py|js|md|toml)$", span)]
    assert [member for member in members if not defined(*member.split("."))] == []


def defined(module: str, name: str) -> bool:
    """Whether a module of the package, by its name alone, defines the name at its top level; of `wdviz`, whether it has the module."""
    if module == "wdviz":
        return any((ROOT / "wdviz" / part).exists() for part in (name, f"{name}.py"))
    sources = [path.read_text() for path in (ROOT / "wdviz").rglob(f"{module}.py")]
    return any(re.search(rf"^(def|class) {name}\b|^{name}\b.* = ", source, re.MULTILINE) for source in sources)


def imported(source: str) -> set[str]:
    """The top-level packages that a script imports, anywhere in it."""
    names: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.append(node.module)
    return {name.split(".")[0] for name in names}
