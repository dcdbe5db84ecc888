"""Which origins (scheme, host, port) a crawl may talk to."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urljoin, urlsplit

from headrace.core.errors import HostRefused, InputError, OriginRefused
from headrace.core.hosts import host_rules, is_loopback, may_go
from headrace.core.http import origin


def allowed_origins(hosts: Iterable[str], home: str = "") -> frozenset[str]:
    """The origins that ``allowed_hosts`` names (``https://host[:port]`` or ``host[:port]``).

    A bare host means https, and http as well when ``home`` (the URL of the step) is http.
    Raises InputError for what names no host.
    """
    schemes = ("https", "http") if home.startswith("http:") else ("https",)
    found: set[str] = set()
    for text in hosts:
        for url in [text] if "://" in text else [f"{scheme}://{text}" for scheme in schemes]:
            try:
                parts = urlsplit(url)
                found.add(origin(url))
            except ValueError:
                parts = urlsplit("")
            if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or "@" in url:
                raise InputError(
                    f"allowed_hosts: {text!r} is not a host", hint="write host, host:port or https://host[:port]"
                )
    return frozenset(found)


def resolve(url: str, base: str, allowed: frozenset[str], *, what: str) -> str:
    """``url`` made absolute against ``base``, without its fragment.

    Raises OriginRefused, whose message starts with ``what``, when it leads to an origin that is neither
    ``base``'s own nor in ``allowed``. The message names origins only: paths and queries may hold secrets.
    """
    try:
        target = urljoin(base, url.strip())
        parts = urlsplit(target)
        there, here = origin(target), origin(base)
    except ValueError:
        raise OriginRefused(f"{what} is not a URL") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise OriginRefused(f"{what} leads to {parts.scheme or 'no'}: addresses, not to http or https")
    if "@" in parts.netloc:
        raise OriginRefused(f"{what} carries a user name: {shown(there)}")
    if there != here and there not in allowed:
        raise OriginRefused(
            f"{what} leads from {shown(here)} to {shown(there)}, another origin",
            hint=f"if that is right, add it: allowed_hosts: [{shown(there)!r}]; no credential is sent there",
        )
    return target.partition("#")[0]


def check_host(url: str, hosts: tuple[str, ...], instead_of: str = "") -> None:
    """Raises HostRefused when a request that carries a credential for ``hosts`` (none: any) would go to another.

    ``instead_of`` is the URL in whose place ``url`` is asked (``--rewrite``): then this machine itself will do too.
    """
    rules = host_rules(hosts)
    if may_go(url, rules) or (instead_of and is_loopback(urlsplit(url).hostname or "")):
        return
    there = shown(origin(url))
    if instead_of:
        raise HostRefused(
            f"--rewrite would take the credential of {shown(origin(instead_of))} to {there}, which it does not name",
            hint=f"it may go to {', '.join(hosts)}, and to a stand-in on this machine",
        )
    raise HostRefused(
        f"the credential may not be sent to {there}: it names {', '.join(hosts)}",
        hint="if that is right, store it again with this host: headrace credentials set ORG PROVIDER --host HOST",
    )


def shown(origin_text: str) -> str:
    """An origin as people write it: without the scheme's usual port."""
    for scheme, port in (("http", ":80"), ("https", ":443")):
        if origin_text.startswith(f"{scheme}://") and origin_text.endswith(port):
            return origin_text.removesuffix(port)
    return origin_text
