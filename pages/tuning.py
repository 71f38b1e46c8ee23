"""How do I find the factor?"""

from wdviz.experiments.tuning import plain
from wdviz.plans import Search
from wdviz.settings import Settings
from wdviz.ui import controls, live, page
from wdviz.ui.scenes import tuning as scenes
from wdviz.ui.stage import Scene


def compose(chosen: Settings, plan: Search) -> Scene:
    """The search run by run. The test set is opened for one choice: another search seals it again."""
    tested = controls.opened((plain(chosen), plan))
    following = live.follow(scenes.groups(chosen, plan, tested=tested))
    return page.scene(scenes.scene, chosen, plan, following, tested=tested)


page.show("tuning", compose)
