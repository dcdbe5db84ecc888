"""Where tables go: one file per database, SQL in ``sql/``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.core.errors import UsageError
from headrace.core.suggest import did_you_mean

if TYPE_CHECKING:
    from headrace.core.contracts import Destination

_ALIASES = {"postgres": "postgresql"}


def from_url(url: str) -> Destination:
    """The destination that ``url`` names. Raises UsageError for a scheme that nobody handles."""
    from headrace.core.contracts import Destination
    from headrace.core.kinds import menu

    scheme = url.partition(":")[0].lower()
    kinds = menu(__name__, Destination)
    kind = kinds.get(_ALIASES.get(scheme, scheme))
    if kind is None or not issubclass(kind, Destination) or "://" not in url:
        known = sorted({*kinds, *_ALIASES})
        raise UsageError(
            f"destination {scheme!r} is not a known kind{did_you_mean(scheme, known)}",
            hint=f"a URL such as duckdb:///headrace.duckdb; schemes: {', '.join(known)}",
        )
    return kind.from_url(url)
