"""Imports run downward only: the contracts in pyproject.toml, and the scripts outside the package."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SCRIPTS = [ROOT / "app.py", *sorted((ROOT / "pages").glob("*.py"))]


def test_contracts_are_kept() -> None:
    # In a process of its own: the linter silences the loggers of the process it runs in.
    lint = Path(sys.executable).with_name("lint-imports")
    report = subprocess.run([lint, "--no-logo", "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert report.returncode == 0, report.stdout + report.stderr


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_script_does_not_import_jax(script: Path) -> None:
    assert imported(script.read_text()).isdisjoint({"jax", "jaxlib", "optax"})


def imported(source: str) -> set[str]:
    """The top-level packages that a script imports, anywhere in it."""
    names: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.append(node.module)
    return {name.split(".")[0] for name in names}
