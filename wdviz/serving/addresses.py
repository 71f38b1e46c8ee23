"""Who asks: the visitor's address and the server's name as the visitor wrote it, told by the connection or by a trusted proxy."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv6Address, ip_address, ip_network

from starlette.datastructures import Headers
from starlette.types import Scope

from wdviz.serving.options import Network

_HERE = "127.0.0.1"


class Addresses:
    """Reads addresses from requests. `proxies`: those whose X-Forwarded-For and X-Forwarded-Host are believed."""

    def __init__(self, proxies: Sequence[Network]) -> None:
        self._proxies = proxies

    def visitor(self, scope: Scope) -> str:
        """The address that limits are counted by: an IPv4 address, or an IPv6 network of /64, which is one household.

        Each proxy appends whom it speaks for to X-Forwarded-For, so the last one that is no proxy of ours is the visitor; what stands
        before it may be made up.
        """
        peer = _peer(scope)
        if self._trusted(peer):
            named = ",".join(Headers(scope=scope).getlist("x-forwarded-for")).split(",")
            peer = next((name for name in map(_bare, reversed(named)) if name and not self._trusted(name)), peer)
        return _household(peer)

    def hosts(self, scope: Scope) -> set[str]:
        """The names under which the visitor may know this server: of the header Host, and what a trusted proxy says that it was."""
        headers = Headers(scope=scope)
        names = headers.getlist("host")[:1]
        if self._trusted(_peer(scope)):
            names += headers.getlist("x-forwarded-host")[:1]
        return {name.strip().lower() for name in names}

    def _trusted(self, address: str) -> bool:
        try:
            found = ip_address(address)
        except ValueError:
            return False
        return any(found in network for network in self._proxies)


def _peer(scope: Scope) -> str:
    """Who is at the other end of the connection.

    uvicorn puts an address from X-Forwarded-For in its place, with port 0, where a proxy on this machine sends one; whether that is to
    be believed is decided here alone.
    """
    host, port = scope.get("client") or ("", 0)
    return host if port else _HERE


def _bare(name: str) -> str:
    """`1.2.3.4` of `1.2.3.4:5678`, `::1` of `[::1]:5678`."""
    name = name.strip()
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name.partition(":")[0] if name.count(":") == 1 else name


def _household(name: str) -> str:
    try:
        address = ip_address(name)
    except ValueError:
        return "unknown"
    if isinstance(address, IPv6Address):
        return str(address.ipv4_mapped or ip_network((address, 64), strict=False))
    return str(address)
