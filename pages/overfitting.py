"""What does weight decay do to a network that memorises?"""

from wdviz.experiments import overfitting
from wdviz.settings import Settings
from wdviz.ui import controls, live, page
from wdviz.ui.scenes import overfitting as scenes
from wdviz.ui.stage import Scene


def compose(chosen: Settings, _: None) -> Scene:
    """Both arms, repetition by repetition; recorded where playback was asked for."""
    following = live.follow(overfitting.pairs(chosen))
    comparison = overfitting.compare(chosen, following.results)
    assert comparison is not None  # the first pair is there
    filmed = live.filmed(overfitting.film_pair(chosen)) if live.wishes().film == live.name_of_film(chosen) else None
    return scenes.scene(comparison, time_left=following.time_left, test_points=controls.shown("test_points"), filmed=filmed)


page.show("overfitting", "What does weight decay do to a network that memorises?", compose)
