"""What the Dockerfile says, for checks where there is no container engine: its steps, the files it takes, the command it starts."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Step:
    """One instruction: `COPY`, and what stands behind it in one line."""

    name: str
    text: str

    @property
    def words(self) -> list[str]:
        """What stands behind it, a JSON list or words; without options."""
        if self.text.startswith("["):
            return json.loads(self.text)
        return [word for word in self.text.split() if not word.startswith("--")]


def stages() -> list[list[Step]]:
    """The steps of each stage, the last of which becomes the image. What stands before the first stage is left out."""
    source = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = [line.split(maxsplit=1) for line in source.replace("\\\n", " ").splitlines() if line.strip()]
    found: list[list[Step]] = []
    for name, text in lines:
        if name == "FROM":
            found.append([])
        if found:
            found[-1].append(Step(name, " ".join(text.split())))
    return found


def last(name: str) -> Step:
    """The instruction of that name that holds in the image."""
    return [step for step in stages()[-1] if step.name == name][-1]


def environment() -> dict[str, str]:
    """What the image's ENV instructions set."""
    return dict(word.split("=", 1) for step in stages()[-1] if step.name == "ENV" for word in step.words)


def taken(found: list[list[Step]]) -> list[tuple[str, str]]:
    """What these stages copy from the repository: a path there, and the one in the image, from the working folder."""
    copies = [step for stage in found for step in stage if step.name == "COPY" and "--from=" not in step.text]
    return [(source, _target(source, step.words[-1])) for step in copies for source in step.words[:-1]]


def allowed() -> set[str]:
    """What .dockerignore lets through: everything is left out but the lines that begin with an exclamation mark."""
    lines = (ROOT / ".dockerignore").read_text().split("\n")
    return {line[1:] for line in lines if line.startswith("!")}


def lay(folder: Path) -> None:
    """Copies into `folder` what the last stage copies into its working folder."""
    for source, target in taken(stages()[-1:]):
        (folder / target).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, folder / target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / source, folder / target)


def _target(source: str, target: str) -> str:
    return str(PurePosixPath(target) / PurePosixPath(source).name) if target.endswith("/") else target
