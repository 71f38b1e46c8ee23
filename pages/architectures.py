"""Does every network need the same decay?"""

from wdviz.experiments import architectures
from wdviz.plans import Families
from wdviz.settings import Settings
from wdviz.ui import live, page
from wdviz.ui.scenes import architectures as scenes
from wdviz.ui.stage import Scene


def compose(chosen: Settings, plan: Families) -> Scene:
    """The inside of one network and the first family's curve, then family by family."""
    return page.scene(scenes.scene, chosen, plan, live.follow(architectures.groups(chosen, plan), finely=True))


page.show("architectures", "Does every network need the same decay?", compose, Families)
