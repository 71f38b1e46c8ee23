"""Which websocket messages reach Streamlit: those that its pages need, well formed and not too long; and what its own do not tell."""

from __future__ import annotations

import json
import re
from collections import deque
from pathlib import Path
from typing import Literal

from google.protobuf.message import DecodeError
from starlette.types import Message
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from wdviz import ui

ROUTER = Path(ui.__file__).resolve().with_name("router.py")  # the script that each visit runs

LONGEST = 256_000  # bytes: the longest honest one, with 500 edited points, has some 40,000
NOT_BINARY, MALFORMED, TOO_LONG = 1003, 1002, 1009  # codes for closing a websocket, RFC 6455
MOST_LEFT = 8  # pages that are remembered: more than one leaves before the next is there

# Others exist: clearing the cache of all visitors, installing files on the server, listing its git repository, uploads, downloads
# that the server makes.
_WANTED = {"rerun_script", "stop_script", "app_heartbeat"}
_NAME = re.compile(r"[0-9a-f]{0,64}")  # of pages and fragments: hashes; Streamlit logs one that it does not know


class Judge:
    """Judges the messages of one browser, one after the other."""

    def __init__(self) -> None:
        self._page = ""  # that it was on at its last message; a first one does not name it
        self._left: deque[str] = deque(maxlen=MOST_LEFT)  # pages before it

    def __call__(self, message: Message) -> Literal["pass", "drop"] | int:
        """Whether a message passes, is dropped, or is answered by closing the websocket with a code."""
        data = message.get("bytes")
        if data is None:
            return NOT_BINARY
        if len(data) > LONGEST:
            return TOO_LONG
        try:
            said = BackMsg.FromString(data)
        except DecodeError:
            return MALFORMED
        kind = said.WhichOneof("type")
        if kind not in _WANTED:
            return "drop"
        return "pass" if kind != "rerun_script" or (_sound(said.rerun_script) and self._follows(said.rerun_script)) else "drop"

    def _follows(self, run: ClientState) -> bool:
        """Whether it is not a wish of a page that the visitor has left.

        Between the click on a link and the next page the stage of the last one is still there and asks for more. With such a wish
        Streamlit either forgets the click, or has the browser clear the next page while it is being filled.
        """
        page = run.page_script_hash
        if run.fragment_id and page in self._left:
            return False
        if page != self._page:
            if self._page:
                self._left.append(self._page)
            self._left = deque((left for left in self._left if left != page), MOST_LEFT)
        self._page = page
        return True


def _sound(run: ClientState) -> bool:
    """Whether names are names and what should be JSON is, so that what is not ends here and not in an error of Streamlit's."""
    if not _NAME.fullmatch(run.fragment_id) or not _NAME.fullmatch(run.page_script_hash):
        return False
    try:
        for state in run.widget_states.widgets:
            match state.WhichOneof("value"):
                case "json_value":
                    json.loads(state.json_value)
                case "json_trigger_value":
                    json.loads(state.json_trigger_value)
    except (ValueError, RecursionError):
        return False
    return True


def hide(data: bytes) -> bytes:
    """A message to the browser, without the path of the script on this machine, which Streamlit tells with each run."""
    if bytes(ROUTER) not in data:
        return data
    said = ForwardMsg.FromString(data)
    said.new_session.main_script_path = ROUTER.name
    return said.SerializeToString()
