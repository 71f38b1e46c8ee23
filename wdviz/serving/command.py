"""The command `wdviz`: the same server as `make run` starts, from any folder."""

from __future__ import annotations

import argparse
import socket
from collections.abc import Sequence
from importlib.metadata import version
from ipaddress import ip_address

from wdviz.ui.home import HOME

_ABOUT = "The weight decay lab: see what weight decay does to a neural network, in the browser."
_MORE = "Settings for hosts are environment variables (WDVIZ_...), see HOSTING.md. Ctrl+C ends the server."


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve the app until it is interrupted; a wrong option ends the program with a sentence that says what is allowed."""
    parser = argparse.ArgumentParser("wdviz", description=_ABOUT, epilog=_MORE, allow_abbrev=False)
    parser.add_argument("--port", type=_port, help="where the app listens; by default 8501, or the next one that is free")
    parser.add_argument("--address", help="by default 127.0.0.1, which only this machine reaches; 0.0.0.0 for all that reach it")
    parser.add_argument("--version", action="store_true", help="say which version this is")
    chosen = parser.parse_args(arguments)
    if chosen.version:
        print(f"wdviz {version('wdviz')}")
        return
    try:
        _listen(chosen.address or "127.0.0.1", chosen.port or 0)
    except (OSError, UnicodeError) as error:
        where = f"{chosen.address or '127.0.0.1'}{f', port {chosen.port}' if chosen.port else ''}"
        parser.error(f"the app cannot listen at {where}: {getattr(error, 'strerror', '') or 'that is no address'}")
    _serve(streamlit_options(chosen.port, chosen.address))


def streamlit_options(port: int | None, address: str | None) -> list[str]:
    """What Streamlit is told beside .streamlit/config.toml, which it finds next to app.py."""
    given = {"server.port": port, "server.address": address}
    if address and _everywhere(address):
        given["browser.serverAddress"] = "localhost"  # else Streamlit asks a host on the internet for this machine's address
    return [f"--{name}={value}" for name, value in given.items() if value is not None]


def _serve(options: Sequence[str]) -> None:
    from streamlit.web import cli  # takes a second, which --help and --version do not need

    cli.main(["run", *options, str(HOME / "app.py")], prog_name="streamlit")


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"{text!r} is no port; it must be a whole number from 1 to 65535")
    return int(text)


def _everywhere(address: str) -> bool:
    try:
        return ip_address(address).is_unspecified
    except ValueError:
        return False


def _listen(address: str, port: int) -> None:
    """Raises OSError where a server could not listen there; port 0 stands for any that is free."""
    family, kind, protocol, _, where = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    with socket.socket(family, kind, protocol) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        trial.bind(where)
        trial.listen()
