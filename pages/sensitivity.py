"""Why do smaller weights help?"""

from wdviz.experiments import sensitivity
from wdviz.plans import Probe
from wdviz.settings import Settings
from wdviz.ui import live, page
from wdviz.ui.scenes import sensitivity as scenes
from wdviz.ui.stage import Scene


def compose(chosen: Settings, plan: Probe) -> Scene:
    """Measurement by measurement, both arms' first."""
    following = live.follow(sensitivity.groups(chosen, plan), finely=True, what="measurements")
    return page.scene(scenes.followed, chosen, plan, following)


page.show("sensitivity", "Why do smaller weights help?", compose, Probe)
