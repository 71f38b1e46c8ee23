"""What visitors and contributors read: every link leads somewhere, and to settings that exist; the release has its entry."""

from __future__ import annotations

import re
import tomllib
from datetime import date
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.serving import ROOT
from wdviz.ui import address
from wdviz.ui.contents import PAGES

GUIDES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / ".deploy").rglob("*.md"))]
APP = "127.0.0.1:8501"  # where `make run` serves
VIEWS = ("present=1", "contrast=1", "embed=true")
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
LARGEST = {".png": 250_000, ".gif": 2_000_000}  # bytes


def links(path: Path) -> list[str]:
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    return _LINK.findall(text)


def anchors(path: Path) -> set[str]:
    """As hosts of repositories name headings: small letters, hyphens for spaces, without other signs."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


STATES = [(path.name, link) for path in GUIDES for link in links(path) if urlsplit(link).netloc == APP]


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_within_the_project_lead_somewhere(guide: Path):
    for link in links(guide):
        parts = urlsplit(link)
        if parts.netloc:
            continue
        target = (guide.parent / unquote(parts.path)).resolve() if parts.path else guide
        assert target.exists(), link
        assert target.is_relative_to(ROOT), link
        assert not parts.fragment or parts.fragment in anchors(target), link


def test_every_guide_can_be_reached_from_the_readme():
    seen, left = set[Path](), [ROOT / "README.md"]
    while left:
        guide = left.pop()
        if guide in seen:
            continue
        seen.add(guide)
        found = [(guide.parent / urlsplit(link).path).resolve() for link in links(guide) if not urlsplit(link).netloc]
        left += [path for path in found if path.suffix == ".md"]
    assert set(ROOT.glob("*.md")) <= seen


@pytest.mark.parametrize(("guide", "link"), STATES)
def test_links_into_the_app_set_what_they_say(guide: str, link: str):
    parts = urlsplit(link)
    assert parts.path.strip("/") in {"", *PAGES}
    settings = [part for part in parts.query.split("&") if part and part not in VIEWS]
    assert len(address.parse("&".join(settings))) == len(settings)


def test_pictures_are_used_and_small():
    used = {(guide.parent / link).resolve() for guide in GUIDES for link in links(guide) if not urlsplit(link).netloc}
    pictures = [path for path in (ROOT / "assets").iterdir() if path.suffix in LARGEST]
    assert pictures
    assert set(pictures) <= used
    assert all(path.stat().st_size <= LARGEST[path.suffix] for path in pictures)


def test_the_changelog_has_this_release_and_a_place_for_the_next():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    first, second = re.findall(r"^## \[(.+?)\](?: - (.+))?$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[:2]
    assert first == ("Unreleased", "")
    assert second[0] == version
    assert date.fromisoformat(second[1]) <= date.today()
