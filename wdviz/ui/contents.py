"""The table of contents: each page's file and address, its question, and what it trains and shows as it opens. The first one opens."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from wdviz.experiments import architectures, combinations, overfitting, sensitivity
from wdviz.plans import Combine, Families, Landscape, Probe, Search
from wdviz.settings import Settings
from wdviz.specs import Checked
from wdviz.sweeps import Job
from wdviz.ui.scenes import architectures as architectures_scenes
from wdviz.ui.scenes import combinations as combinations_scenes
from wdviz.ui.scenes import learning_rate as learning_rate_scenes
from wdviz.ui.scenes import overfitting as overfitting_scenes
from wdviz.ui.scenes import sensitivity as sensitivity_scenes
from wdviz.ui.scenes import tuning as tuning_scenes
from wdviz.ui.stage import Scene


@dataclass(frozen=True)
class Entry:
    """A page.

    Arguments:
        title: what the navigation calls it.
        question: what it answers.
        groups: (settings) or, with a table, (settings, plan) -> the jobs that it trains, in its order.
        scene: the same and a `Following`, (..., **options) -> what it shows of them.
        table: of the page's own controls, whose values are the plan.
        options: of the scene, as the page opens.
        finely, what: for `live.follow`.
    """

    title: str
    question: str
    groups: Callable[..., Sequence[Sequence[Job]]]
    scene: Callable[..., Scene]
    table: type[Checked] | None = None
    options: Mapping[str, bool] = field(default_factory=dict)
    finely: bool = True
    what: str = "trainings"

    def wanted(self, settings: Settings, plan: Any = None) -> tuple[Any, ...]:
        """What `groups` and `scene` take first; the plan that the page opens with, where none is given."""
        return (settings, plan or self.table()) if self.table else (settings,)

    def work(self, settings: Settings, plan: Any = None) -> Sequence[Sequence[Job]]:
        """The groups of jobs, likewise."""
        return self.groups(*self.wanted(settings, plan))


PAGES = {
    "overfitting": Entry(
        "What it does",
        "What does weight decay do to a network that memorises?",
        overfitting.pairs,
        overfitting_scenes.followed,
        options={"test_points": False},
        finely=False,
    ),
    "sensitivity": Entry(
        "Why it helps", "Why do smaller weights help?", sensitivity.groups, sensitivity_scenes.followed, Probe, what="measurements"
    ),
    "tuning": Entry(
        "How to choose it",
        "How do I find the factor?",
        tuning_scenes.groups,
        tuning_scenes.scene,
        Search,
        options={"tested": False},
        finely=False,
    ),
    "learning-rate": Entry(
        "Learning rate", "Does decay fight with the learning rate?", learning_rate_scenes.groups, learning_rate_scenes.scene, Landscape
    ),
    "combinations": Entry(
        "Combinations",
        "Does decay get along with dropout, batch norm, augmentation?",
        combinations.groups,
        combinations_scenes.scene,
        Combine,
    ),
    "architectures": Entry(
        "Architectures", "Does every network need the same decay?", architectures.groups, architectures_scenes.scene, Families
    ),
}
