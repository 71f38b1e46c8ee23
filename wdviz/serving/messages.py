"""Which websocket messages reach Streamlit: those that its pages need, well formed and not too long; and what its own do not tell."""

from __future__ import annotations

import json
import re
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

# Others exist: clearing the cache of all visitors, installing files on the server, listing its git repository, uploads, downloads
# that the server makes.
_WANTED = {"rerun_script", "stop_script", "app_heartbeat"}
_NAME = re.compile(r"[0-9a-f]{0,64}")  # of pages and fragments: hashes; Streamlit logs one that it does not know


def judge(message: Message) -> Literal["pass", "drop"] | int:
    """Whether a message from the browser passes, is dropped, or is answered by closing the websocket with a code."""
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
    return "pass" if kind in _WANTED and (kind != "rerun_script" or _sound(said.rerun_script)) else "drop"


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
