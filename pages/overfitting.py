"""What does weight decay do to a network that memorises?"""

from wdviz.experiments import overfitting
from wdviz.settings import Settings
from wdviz.ui import controls, live, page
from wdviz.ui.scenes import overfitting as scenes
from wdviz.ui.stage import Scene


def compose(chosen: Settings, _: None) -> Scene:
    """Both arms, repetition by repetition; recorded where playback was asked for."""
    following = live.follow(overfitting.pairs(chosen))
    test_points = controls.shown("test_points")
    if live.wishes().film != live.name_of_film(chosen):
        return page.scene(scenes.followed, chosen, following, test_points=test_points)
    return scenes.followed(chosen, following, test_points=test_points, filmed=live.filmed(overfitting.film_pair(chosen)))


page.show("overfitting", compose)
