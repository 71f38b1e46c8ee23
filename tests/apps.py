"""Pages as Streamlit runs them, without a browser."""

from __future__ import annotations

from typing import Any

from streamlit.testing.v1 import AppTest

from tests.test_wire import read
from wdviz.ui import address, server

TIMEOUT = 120


def open_page(name: str, **values: Any) -> AppTest:
    """One page alone, with settings put as the router puts those of an address."""
    app = AppTest.from_file(str(server.ROUTER.parents[2] / "pages" / f"{name}.py"), default_timeout=TIMEOUT)
    for setting, value in (address.DEFAULTS | values).items():
        app.session_state[setting] = value
    return run(app)


def run(app: AppTest) -> AppTest:
    """Once more, without an exception."""
    app.run()
    assert not app.exception
    return app


def put(app: AppTest, **values: Any) -> AppTest:
    """What a control does, of the sidebar or of the stage."""
    for name, value in values.items():
        app.session_state[name] = value
    return run(app)


def scene(app: AppTest) -> dict[str, Any]:
    """What the stage was given."""
    (component,) = app.get("bidi_component")
    return read(component.proto.bytes)


def settled(app: AppTest) -> dict[str, Any]:
    """The scene when all is there."""
    while scene(app)["more"]:
        run(app)
    return scene(app)


def panel(app: AppTest, name: str) -> dict[str, Any]:
    """One of its panels."""
    return next(p for p in scene(app)["panels"] if p["name"] == name)
