"""The hosts that a credential names, and whether a URL is at one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from headrace.core.errors import InputError

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class HostRule:
    """``scheme`` and ``port`` are empty (0) where the rule leaves them open; ``below``: any host below ``host``."""

    scheme: str
    host: str
    port: int
    below: bool


def host_rules(hosts: Sequence[str]) -> tuple[HostRule, ...]:
    """The rules that ``hosts`` write: ``host``, ``host:port``, ``https://host[:port]``, ``*.host`` for every host
    below one. A bare host means https at its usual port; at this machine's own address any scheme and port.
    Raises InputError."""
    return tuple(_rule(text) for text in hosts)


def may_go(url: str, rules: Sequence[HostRule]) -> bool:
    """Whether ``url`` is at a host of ``rules``; without rules it may go anywhere."""
    if not rules:
        return True
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        return False
    host = (parts.hostname or "").lower().rstrip(".")
    return any(_fits(rule, parts.scheme, host, port) for rule in rules)


def is_loopback(host: str) -> bool:
    """Whether ``host`` names this machine itself."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _fits(rule: HostRule, scheme: str, host: str, port: int) -> bool:
    if not (host.endswith(f".{rule.host}") if rule.below else host == rule.host):
        return False
    if rule.scheme and scheme != rule.scheme:
        return False
    open_port = rule.port == 0 and is_loopback(rule.host)
    return scheme in _PORTS and (open_port or port == (rule.port or _PORTS[scheme]))


def _rule(text: str) -> HostRule:
    given = text.strip().lower()
    scheme, separator, rest = given.partition("://")
    if not separator:
        scheme, rest = "", given
    below = rest.startswith("*.")
    try:
        parts = urlsplit(f"//{rest.removeprefix('*.')}")
        host, port = (parts.hostname or "").rstrip("."), parts.port or 0
    except ValueError:
        parts, host, port = urlsplit(""), "", 0
    plain = not (parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc)
    if not host or not plain or scheme not in ("", *_PORTS) or "*" in host or (below and "." not in host):
        raise InputError(
            f"{text!r} is not a host", hint="write api.example.com, *.example.com, or https://api.example.com:8443"
        )
    return HostRule(scheme or ("" if is_loopback(host) else "https"), host, port, below)
