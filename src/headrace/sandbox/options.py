"""What a sandbox is started with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Options:
    """Sizes, strictness and standing faults of one sandbox.

    The same ``seed`` and sizes give the same bytes (with ``signatures="fixed"`` also for the image URLs
    of the ``sapi`` stand-in, which otherwise change in every answer, as the real ones do).
    """

    seed: int = 1
    titles: int = 2_000
    """Positions in the catalogue of the ``sapi`` and ``tvmaze`` stand-ins."""
    records: int = 1_000
    """Records behind each ``/styles/…``; ``?records=`` overrides it."""
    page_size: int | None = None
    """Records a page where the request does not say; by default what each API gives."""
    record_bytes: int = 0
    """Pad each record of ``/styles/…`` to about this size."""
    api_key: str | None = None
    """The only key that is accepted; by default any that is not empty."""
    api_version: Literal["v3", "v4"] = "v4"
    """``sapi``: on the last page v4 leaves ``nextCursor`` out, v3 sends ``""``."""
    signatures: Literal["changing", "fixed"] = "changing"
    token_seconds: int = 3_600
    """OAuth2: life of an access token."""
    token_uses: int | None = None
    """OAuth2: a token is refused after this many requests (expiry without waiting)."""
    refresh_token: str = "refresh-0"  # noqa: S105  (what the sandbox accepts as a first refresh token)
    """OAuth2: the refresh token that a client starts with; each use replaces it."""
    gzip: bool = True
    """Compress when the request accepts it."""
    cache_bytes: int = 64 * 1024 * 1024
    """Bound of the cache of rendered pages."""
    faults: tuple[Mapping[str, Any], ...] = ()
    """Rules as ``POST /__faults`` takes them, in force from the start."""
