"""Does decay get along with dropout, batch norm, augmentation?"""

from wdviz.experiments import combinations
from wdviz.plans import Combine
from wdviz.settings import Settings
from wdviz.ui import live, page
from wdviz.ui.scenes import combinations as scenes
from wdviz.ui.stage import Scene


def compose(chosen: Settings, plan: Combine) -> Scene:
    """The combinations and the map run by run."""
    return page.scene(scenes.scene, chosen, plan, live.follow(combinations.groups(chosen, plan), finely=True))


page.show("combinations", "Does decay get along with dropout, batch norm, augmentation?", compose, Combine)
