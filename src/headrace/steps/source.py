"""What an extract step may share with the others of its file: the ``source`` block."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from headrace.core.contracts import Auth, Decoder, Paginator
from headrace.core.kinds import OneOf
from headrace.core.model import Model, PathText
from headrace.sources.ratelimit import RateLimit
from headrace.steps.base import Step


class Raw(Model):
    """The archive of exact answers."""

    table: str | None = None
    """By default ``<step>_raw_pages``."""
    compression: Literal["zstd", "none"] = "zstd"
    retention: str | None = Field(None, pattern=r"^\d+[hdw]$")
    """``headrace purge`` deletes bodies older than this."""


class Source(Step):
    """An API: where it is, who asks, how fast, and how its answers are built."""

    base_url: str = ""
    """Put before a ``url`` that starts with ``/``."""
    params: dict[str, Any] = Field(default_factory=dict)
    """Query parameters; an absent optional input leaves its key out, a list is comma-joined."""
    repeat_params: list[str] = Field(default_factory=list)
    """Parameters whose list is sent as a repeated key."""
    headers: dict[str, Any] = Field(default_factory=dict)
    timeout: float = Field(60, gt=0)
    """Seconds for one request."""
    auth: Annotated[Auth, OneOf("headrace.sources.auth")] | None = None
    pagination: Annotated[Paginator, OneOf("headrace.sources.paginate")] | None = None
    decode: Annotated[Decoder, OneOf("headrace.sources.decode")] | None = None
    """By default from the content type."""
    data_path: PathText = "data"
    """Where the records are; ``""`` is the root."""
    error_path: PathText | None = None
    """A value there that is neither null, false, empty nor absent marks an error inside a 200."""
    ok_path: PathText | None = None
    """A value there that is false marks an error inside a 200 (Slack's ``ok``)."""
    end_on: list[int] = Field(default_factory=list)
    """Statuses that mean "no more pages" instead of an error, such as 404."""
    rate_limit: RateLimit = RateLimit()
    allowed_hosts: list[str] = Field(default_factory=list)
    """Further origins that redirects and next links may lead to (``https://host`` or ``host``)."""
    raw: Raw | Literal[False] = Raw()
    """``false`` switches the archive off: no replay, no ``why``."""
    max_pages: int = Field(10_000, ge=1)
    """Page cap of one stream; a run that reaches it is ``partial``."""
    commit_every: float | None = Field(None, gt=0)
    """Seconds between commits; by default 1, and 10 where files are staged."""
    max_rejected: float = Field(0.01, ge=0, le=1)
    """Share of records that may be rejected before the run fails (at least 100 records)."""
