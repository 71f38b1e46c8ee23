"""What whoever runs the server can set, as environment variables, read once and checked."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

Network = IPv4Network | IPv6Network

AHEAD = ("none", "first", "all")
_LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
_ORIGIN = re.compile(r"https?://(\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?")


@dataclass(frozen=True)
class Options:
    """The settings of the server, see `read`.

    `connections` is per address: a lecture hall of 150 browsers, some with two tabs, is one address behind its router. In total there may
    be more than the server can serve quickly; beyond that a page that says so and tries again is kinder than a slow one.
    """

    frames: tuple[str, ...] = ()
    proxies: tuple[Network, ...] = _LOOPBACK
    metrics: tuple[str, int] | None = None
    connections: int = 250
    connections_total: int = 1000
    programs: bool = False
    ahead: str = "first"


def read(environment: Mapping[str, str] = os.environ) -> Options:
    """The options that the environment sets.

    WDVIZ_FRAMES: origins whose pages may show this app in a frame, separated by spaces, `https://moodle.example.edu https://*.example.org`.
    WDVIZ_PROXIES: addresses or networks of proxies whose X-Forwarded-For and X-Forwarded-Host are believed; this machine alone by default.
    WDVIZ_METRICS: host:port on which metrics are served, `127.0.0.1:9464`; none by default.
    WDVIZ_CONNECTIONS, WDVIZ_CONNECTIONS_TOTAL: the most open sessions of one address, and of all.
    WDVIZ_PROGRAMS: 1 lets programs, which send no Origin as browsers do, open a session.
    WDVIZ_AHEAD: what is trained before visitors ask for it, while the server has nothing else to do: `none`, `first` (what each page shows
        first, at each decay; by default) or `all` (with everything that follows).

    Raises:
        ValueError: which variable is wrong, and what is allowed.
    """
    found: dict[str, Any] = {}
    for name, convert in _CONVERT.items():
        variable = f"WDVIZ_{name.upper()}"
        if text := environment.get(variable, "").strip():
            try:
                found[name] = convert(text)
            except ValueError as error:
                raise ValueError(f"{variable} is {text!r}; it must be {error}") from None
    return Options(**found)


def _frames(text: str) -> tuple[str, ...]:
    origins = tuple(text.lower().split())
    if not all(_ORIGIN.fullmatch(origin) for origin in origins):  # anything else could end the header's directive and begin another
        raise ValueError("origins such as https://moodle.example.edu, separated by spaces, without a path")
    return origins


def _proxies(text: str) -> tuple[Network, ...]:
    try:
        return tuple(ip_network(item) for item in text.split())
    except ValueError:
        raise ValueError("addresses or networks such as 10.0.0.0/8, separated by spaces") from None


def _metrics(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError("host:port, such as 127.0.0.1:9464")
    return host.strip("[]"), int(port)


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= 100_000:
        raise ValueError("a whole number from 1 to 100000")
    return int(text)


def _switch(text: str) -> bool:
    if text not in ("0", "1"):
        raise ValueError("0 or 1")
    return text == "1"


def _ahead(text: str) -> str:
    if text not in AHEAD:
        raise ValueError("none, first or all")
    return text


_CONVERT: dict[str, Callable[[str], Any]] = {
    "frames": _frames,
    "proxies": _proxies,
    "metrics": _metrics,
    "connections": _count,
    "connections_total": _count,
    "programs": _switch,
    "ahead": _ahead,
}
