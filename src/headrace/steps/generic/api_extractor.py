"""``generic.api_extractor``: crawl an API into tables."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, model_validator

from headrace.core.model import Model, PathText
from headrace.mapping.config import Table, TableTarget, Transform
from headrace.steps.source import Source

if TYPE_CHECKING:
    from headrace.core.templates import Lookup
    from headrace.crawl.context import RunContext
    from headrace.crawl.plan import CrawlPlan, CrawlResult


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
        if self.each is not None and not self.each:
            raise ValueError("each is empty: name the values, such as each: {country: [us, de]}")
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
    until: str | None = None
    """Query parameter that gets the end of a window: what `headrace backfill` needs; other runs leave it out."""


class ApiExtractor(Source):
    """Crawl one endpoint: keep every answer, extract tables, move the cursor with the data."""

    processor: ClassVar[str] = "generic.api_extractor"
    templated: ClassVar[tuple[str, ...]] = (
        "base_url", "url", "params", "headers", "body", "graphql.variables", "soap.envelope", "auth.secret_ref", "incremental.start",
        "slices.each", "slices.rows", "slices.dates.from", "slices.dates.to",
        "tables.*.columns.*.value", "tables.*.where", "tables.*.on_insert", "tables.*.on_change", "transform.add_fields",
    )  # fmt: skip
    sql_fields: ClassVar[tuple[str, ...]] = ("slices.rows",)
    request_fields: ClassVar[frozenset[str]] = frozenset({
        "base_url", "url", "method", "params", "repeat_params", "headers", "body", "graphql", "soap", "pagination",
        "decode", "data_path", "end_on", "slices.each", "slices.rows", "slices.dates", "incremental",
    })  # fmt: skip
    mapping_fields: ClassVar[frozenset[str]] = frozenset({"tables", "transform", "destination"})

    url: str
    method: Literal["GET", "POST", "PUT", "PATCH"] | None = None
    """By default GET, and POST with ``graphql``, ``soap`` or ``body``."""
    body: Body | None = None
    graphql: GraphQL | None = None
    soap: Soap | None = None
    safe: bool | None = None
    """A POST may be sent again after a failure (GraphQL queries and SOAP may by default)."""
    slices: Slices | None = None
    incremental: Incremental | None = None
    tables: list[Table] = Field(default_factory=list)
    transform: Transform = Transform()
    destination: TableTarget | None = None
    """The one table of a step without ``tables``."""

    def crawl_plan(self, step: str, title: str, lookup: Lookup) -> CrawlPlan:
        from headrace.steps.generic._plan import make_plan

        return make_plan(self, step, title, lookup)

    async def run(self, step: str, title: str, ctx: RunContext) -> CrawlResult:
        from headrace.crawl.extract import crawl

        return await crawl(self.crawl_plan(step, title, ctx.lookup), ctx)

    @model_validator(mode="after")
    def _consistent(self) -> ApiExtractor:
        if self.url.startswith("/") and not self.base_url:
            raise ValueError(f"url {self.url!r} needs a base_url in front (in source, or here)")
        if not self.url.lower().startswith(("https://", "http://", "/", "{")):
            raise ValueError(f"url {self.url!r} has to begin with https://, http://, or with / after a base_url")
        if self.base_url and not self.base_url.lower().startswith(("https://", "http://", "{")):
            raise ValueError(f"base_url {self.base_url!r} has to begin with https:// or http://")
        if re.search(r"\s", re.sub(r"\{[^}]*\}", "", self.base_url + self.url)):
            raise ValueError(f"url {self.base_url + self.url!r} holds a space: write %20 for it, or use params")
        if bool(self.tables) == (self.destination is not None):
            raise ValueError(
                "say where the records go: either tables: [...] or destination: {table: name}"
                if not self.tables
                else "tables and destination exclude each other: name the table inside tables"
            )
        if self.tables and "transform" in self.model_fields_set:
            raise ValueError(
                "transform belongs to the form without tables: use columns with value: instead of add_fields"
            )
        if sum(x is not None for x in (self.body, self.graphql, self.soap)) > 1:
            raise ValueError("give only one of body, graphql and soap")
        names = [t.table.lower() for t in self.tables]
        if len(set(names)) < len(names):
            raise ValueError(f"table {max(names, key=names.count)!r} is declared twice")
        return self
