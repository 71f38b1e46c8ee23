"""Pages as Streamlit runs them, without a browser."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from tests.test_wire import read
from wdviz.serving import assembly
from wdviz.ui import address, live
from wdviz.ui.stage import Ask

TIMEOUT = 120
live.PATIENT_S = TIMEOUT  # a page waits for its first picture here, however busy the machine is


def open_page(name: str, **values: Any) -> AppTest:
    """One page alone, with settings put as the router puts those of an address."""
    app = AppTest.from_file(str(assembly.ROUTER.parents[2] / "pages" / f"{name}.py"), default_timeout=TIMEOUT)
    for setting, value in (address.DEFAULTS | values).items():
        app.session_state[setting] = value
    return run(app)


def open_at(app: AppTest, **query: str) -> AppTest:
    """A page with a query in its address."""
    for name, value in query.items():
        app.query_params[name] = value
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


def ask(app: AppTest, steps: Sequence[str] = (), **asked: Any) -> AppTest:
    """What the browser's message does: it is answered, then the page runs. `steps`: the queries of the page's notices."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(live.st, "session_state", app.session_state)
        patched.setattr(live.st, "rerun", lambda: None)
        live.answer(Ask(**asked), steps)
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
