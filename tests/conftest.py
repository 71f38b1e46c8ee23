"""Sets the environment before any test imports JAX, and what is the same for all tests."""

import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

# Compiled programs are kept here, so that test processes and later runs compile nothing twice.
os.environ.setdefault("WDVIZ_CACHE", str(Path(__file__).parent.parent / ".cache" / "xla"))

settings.load_profile("ci")  # everywhere as there: no limit of time, which a busy machine would break, and the same examples each time


@pytest.fixture(autouse=True)
def nothing_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test is shown a scene that another one made."""
    if page := sys.modules.get("wdviz.ui.page"):
        monkeypatch.setattr(page, "_scenes", page.Shared(page.MOST_SCENES, page.MOST_SCENE_BYTES))
