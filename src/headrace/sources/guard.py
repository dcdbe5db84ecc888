"""Keeps requests at the hosts that a run may reach: at the address that is connected to, not at the one that a name
had when it was looked at."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from headrace.core.addresses import is_public
from headrace.core.errors import NotAllowed
from headrace.core.hosts import host_rules, may_go
from headrace.core.http import origin
from headrace.core.trust import Trust
from headrace.sources.origins import shown

if TYPE_CHECKING:
    import aiohttp
    from aiohttp.abc import ResolveResult


class AddressRefused(OSError):
    """A name led to, or a URL named, an address that may not be reached."""

    def __init__(self, address: str) -> None:
        super().__init__(f"{address} is not a public address")
        self.address = address


class Guard:
    """Decides which of two ways a request goes: to a host that :class:`~headrace.core.trust.Trust` names, at whatever
    address it is, or to any other, and then to public addresses only."""

    def __init__(self, trust: Trust) -> None:
        self._public = trust.public_hosts
        self._named = host_rules(trust.allowed_hosts or ())

    def names(self, url: str) -> bool:
        """Whether the host of ``url`` is one that is named. Raises NotAllowed when only those may be reached."""
        if self._named and may_go(url, self._named):
            return True
        if self._public:
            return False
        there = shown(origin(url))
        raise NotAllowed(f"requests to {there} are not allowed here", hint=allowing(url))

    def connector(self, connections: int) -> aiohttp.TCPConnector:
        """A connector that reaches public addresses only. Each name is looked up anew for each connection."""
        import aiohttp

        return aiohttp.TCPConnector(
            resolver=_resolver(), socket_factory=_public_socket, use_dns_cache=False, limit=connections
        )


def refusal(refused: AddressRefused, url: str) -> NotAllowed:
    """The error for people."""
    host = urlsplit(url).hostname or ""
    which = f"{host} is" if host.strip("[]") == refused.address else f"{host} leads to {refused.address},"
    return NotAllowed(
        f"requests to {shown(origin(url))} are not allowed here: {which} not a public address", hint=allowing(url)
    )


def allowing(url: str) -> str:
    """What to write so that ``url`` may be reached."""
    return f"to allow it: allowed_hosts: [{shown(origin(url))!r}] in the service's configuration"


def _public_socket(info: tuple[Any, Any, Any, str, Any]) -> socket.socket:
    """The last word: it sees the very address that the socket is about to be connected to."""
    family, kind, protocol, _, place = info
    address = str(place[0])
    if not is_public(address):
        raise AddressRefused(address)
    return socket.socket(family, kind, protocol)


def _resolver() -> aiohttp.abc.AbstractResolver:
    from aiohttp import ThreadedResolver

    class PublicResolver(ThreadedResolver):
        """Leaves out what is not public; says so when nothing is left."""

        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
        ) -> list[ResolveResult]:
            found = await super().resolve(host, port, family)
            public = [entry for entry in found if is_public(entry["host"])]
            if found and not public:
                raise AddressRefused(found[0]["host"])
            return public

    return PublicResolver()
