"""``generic.api_extractor``: crawl an API into tables."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from headrace.core.contracts import Auth, Decoder, Paginator
from headrace.core.kinds import OneOf
from headrace.core.model import Model, PathText
from headrace.mapping.config import Table, TableTarget, Transform
from headrace.sources.ratelimit import RateLimit


class Body(Model):
    """The body of a request: one of ``json``, ``form`` and ``text``; all take ``{variables}``."""

    json_: Any = Field(None, alias="json")
    form: dict[str, Any] | None = None
    text: str | None = None

    @model_validator(mode="after")
    def _one(self) -> Body:
        if len(self.model_fields_set) != 1:
            raise ValueError("body takes exactly one of json, form and text")
        return self


class GraphQL(Model):
    """A GraphQL request: POST with ``query`` and ``variables`` as JSON."""

    query: str
    """Sent as it stands: its braces are GraphQL's own."""
    variables: dict[str, Any] = Field(default_factory=dict)


class Soap(Model):
    """A SOAP request: POST of an XML envelope; faults are errors."""

    action: str
    envelope: str
    version: Literal["1.1", "1.2"] = "1.1"


class Dates(Model):
    """Slices of time: half-open steps from ``from`` to ``to``; give ``{slice.start}`` and ``{slice.end}``
    (also with ``_unix``)."""

    from_: str = Field(alias="from")
    to: str = "{now}"
    step: str = Field("1d", pattern=r"^[1-9]\d*[hdwmy]$")
    """A number and h, d, w, m (calendar month) or y."""


class Slices(Model):
    """The parts that a crawl is cut into, each with its own checkpoint: exactly one of ``each``,
    ``dates`` and ``rows``."""

    each: dict[str, list[Any] | str] | None = None
    """Name to values (every combination is a slice): ``{slice.name}``."""
    dates: Dates | None = None
    rows: str | None = None
    """A query on the destination; each row is a slice, its columns ``{slice.column}``."""
    concurrency: int = Field(4, ge=1)
    """Slices crawled side by side."""
    retry: int = Field(1, ge=0)
    """Further attempts of a slice that failed."""

    @model_validator(mode="after")
    def _one(self) -> Slices:
        if sum(x is not None for x in (self.each, self.dates, self.rows)) != 1:
            raise ValueError("slices takes exactly one of each, dates and rows")
        return self


class Incremental(Model):
    """Only what is new since the last complete crawl."""

    param: str
    """Query parameter that gets the mark."""
    cursor_path: PathText
    """Where a record says when it changed; the greatest value of a complete crawl is the next mark."""
    start: Any = None
    """The mark of the first crawl; without it the parameter is left out."""
    lookback: str | None = Field(None, pattern=r"^\d+[smhdw]$")
    """Ask again for this much before the mark (late records)."""


class Raw(Model):
    """The archive of exact answers."""

    table: str | None = None
    """By default ``<step>_raw_pages``."""
    compression: Literal["zstd", "none"] = "zstd"
    retention: str | None = Field(None, pattern=r"^\d+[hdw]$")
    """``headrace purge`` deletes bodies older than this."""


class ApiExtractor(Model):
    """Crawl one endpoint: keep every answer, extract tables, move the cursor with the data."""

    base_url: str = ""
    """Put before a ``url`` that starts with ``/``."""
    url: str
    method: Literal["GET", "POST", "PUT", "PATCH"] | None = None
    """By default GET, and POST with ``graphql``, ``soap`` or ``body``."""
    params: dict[str, Any] = Field(default_factory=dict)
    """Query parameters; an absent optional input leaves its key out, a list is comma-joined."""
    repeat_params: list[str] = Field(default_factory=list)
    """Parameters whose list is sent as a repeated key."""
    headers: dict[str, Any] = Field(default_factory=dict)
    body: Body | None = None
    graphql: GraphQL | None = None
    soap: Soap | None = None
    safe: bool | None = None
    """A POST may be sent again after a failure (GraphQL queries and SOAP may by default)."""
    timeout: float = Field(60, gt=0)
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
    slices: Slices | None = None
    incremental: Incremental | None = None
    raw: Raw | Literal[False] = Raw()
    """``false`` switches the archive off: no replay, no ``why``."""
    tables: list[Table] = Field(default_factory=list)
    transform: Transform = Transform()
    destination: TableTarget | None = None
    """The one table of a step without ``tables``."""
    max_pages: int = Field(10_000, ge=1)
    """Page cap of one stream; a run that reaches it is ``partial``."""
    commit_every: float = Field(1.0, gt=0)
    """Seconds between commits."""
    max_rejected: float = Field(0.01, ge=0, le=1)
    """Share of records that may be rejected before the run fails (at least 100 records)."""

    @model_validator(mode="after")
    def _consistent(self) -> ApiExtractor:
        if bool(self.tables) == (self.destination is not None):
            raise ValueError(
                "say where the records go: either tables: [...] or destination: {table: name}"
                if not self.tables
                else "tables and destination exclude each other: name the table inside tables"
            )
        if self.tables and "transform" in self.model_fields_set:
            raise ValueError("transform belongs to the form without tables: use columns with value: instead of add_fields")
        if sum(x is not None for x in (self.body, self.graphql, self.soap)) > 1:
            raise ValueError("give only one of body, graphql and soap")
        names = [t.table.lower() for t in self.tables]
        if len(set(names)) < len(names):
            raise ValueError(f"table {max(names, key=names.count)!r} is declared twice")
        return self


