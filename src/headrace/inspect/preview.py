"""One page of a pipeline, through the very objects that a run uses; nothing is written."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any

from headrace.core.clock import SystemClock
from headrace.core.contracts import Capabilities, CredentialRef, Destination, Secret, Session, Transport
from headrace.core.errors import HeadraceError, InputError
from headrace.core.events import Event, RequestRetried, Waiting
from headrace.core.http import Request, Response
from headrace.core.tables import StreamKey
from headrace.core.templates import Lookup
from headrace.crawl.context import RunContext
from headrace.crawl.fetch import Fetched, Stream
from headrace.crawl.plan import CrawlPlan
from headrace.inspect.paging import why_on
from headrace.inspect.shown import Shown, show_signed
from headrace.inspect.steps import NOT_YET, choose, masker_of, stream_lookup
from headrace.mapping.mapper import Mapper
from headrace.pipeline.load import Loaded
from headrace.secrets.mask import Masker
from headrace.secrets.scrub import scrub
from headrace.sources.client import ApiClient
from headrace.sources.session import MemoryTokens, TokenStore
from headrace.steps.generic._plan import make_plan


@dataclass(frozen=True, slots=True)
class PreviewTable:
    """What the page becomes in one table; ``rows`` are the first few of ``count``."""

    name: str
    columns: Mapping[str, str]
    """Column to its type."""
    rows: Sequence[Sequence[Any]]
    count: int
    rejected: Sequence[tuple[int, str]] = ()
    """(record, reason) of those that would be set aside."""


@dataclass(frozen=True, slots=True)
class Preview:
    """One page: what was asked, what came, what it would become, and whether a run would go on.

    With ``error`` the parts that were not reached are empty.
    """

    step: str
    slice: str
    request: Shown | None = None
    response: Response | None = None
    records: int = 0
    tables: Sequence[PreviewTable] = ()
    goes_on: bool = False
    next_cursor: Any = None
    why: str = ""
    total: int | None = None
    doubts: Sequence[tuple[str, str]] = ()
    notes: Sequence[str] = field(default_factory=list)
    error: HeadraceError | None = None


def preview(
    loaded: Loaded,
    *,
    destination: Destination,
    find_secret: Callable[[CredentialRef], Secret],
    step: str | None = None,
    rewrite: Mapping[str, str] | None = None,
    tokens: TokenStore | None = None,
    rows: int = 5,
) -> Preview:
    """Fetch the first page of ``step`` (by default the first extract step; of a sliced one, its first slice).

    ``destination`` is not opened, except read-only where slices come from its rows. ``tokens`` keeps OAuth2
    tokens that are renewed on the way: a rotated refresh token must not be lost. Raises UsageError for
    what is wrong before a request; what the API does is in the result.
    """
    name, config = choose(loaded.pipeline, step)
    clock = SystemClock()
    lookup = loaded.variables.lookup(run_id=NOT_YET, now=clock.now())
    plan = make_plan(config, name, name, lookup)
    part_name, part = _first_slice(plan, destination)
    lookup = stream_lookup(lookup, mark=plan.incremental.start if plan.incremental else None, part=part)
    templates, masker = {**config.headers, **config.params}, masker_of(config, lookup)
    page = _Page(plan, lookup, part_name, destination.capabilities(), templates, rows, masker)
    return asyncio.run(page.fetch(find_secret, rewrite or {}, tokens or MemoryTokens()))


def _first_slice(plan: CrawlPlan, destination: Destination) -> tuple[str, Mapping[str, Any]]:
    if plan.slices is None:
        return "", {}
    first = None
    try:
        first = next(iter(plan.slices.freeze(_NO_SESSION)), None)
    except _Asked:
        with destination.open(read_only=True) as session:
            first = next(iter(plan.slices.freeze(session)), None)
    if first is None:
        raise InputError("the step's slices are empty: there is nothing to ask", place=f"step {plan.step}")
    return first.name, first.params


class _Asked(Exception):
    """A session is needed after all."""


class _NoSession:
    def __getattr__(self, name: str) -> Any:
        raise _Asked


_NO_SESSION: Any = _NoSession()


class _NoDatabase:
    """A preview has no database to write to."""

    def __init__(self, capabilities: Capabilities) -> None:
        self.capabilities = capabilities

    async def call(self, work: Callable[[Session], Any]) -> Any:
        raise AssertionError("a preview writes nothing")


class _Watched:
    """A transport that remembers what left last and what came."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner
        self.sent: Request | None = None
        self.got: Response | None = None

    async def send(self, request: Request) -> Response:
        self.sent, self.got = request, None
        self.got = await self._inner.send(request)
        return self.got

    async def close(self) -> None:
        await self._inner.close()


class _Page:
    def __init__(
        self,
        plan: CrawlPlan,
        lookup: Lookup,
        part: str,
        capabilities: Capabilities,
        templates: Mapping[str, Any],
        rows: int,
        masker: Masker,
    ) -> None:
        self._plan, self._lookup, self._part, self._rows = plan, lookup, part, rows
        self._capabilities, self._templates = capabilities, templates
        self._masker = masker
        self._notes: list[str] = []

    async def fetch(
        self, find_secret: Callable[[CredentialRef], Secret], rewrite: Mapping[str, str], tokens: TokenStore
    ) -> Preview:
        from headrace.sources.http import AiohttpTransport

        clock, plan = SystemClock(), self._plan
        reference = plan.auth.credential() if plan.auth is not None else None
        secret = find_secret(reference) if reference is not None else None
        if secret is not None:
            self._masker.add_secret(secret)
        transport = _Watched(AiohttpTransport(clock, rewrite=rewrite))
        client = ApiClient(
            transport=transport, auth=plan.auth, secret=secret, rate_limit=plan.rate_limit, clock=clock, emit=self._note,
            run_id=NOT_YET, step=plan.step, masker=self._masker, tokens=tokens, origins=plan.origins,
        )  # fmt: skip
        key = StreamKey(NOT_YET, plan.step, self._part)
        stream = Stream(plan, self._context(transport, tokens), client, key, self._lookup, None)
        unsigned = plan.paginator.apply(plan.request(self._lookup), plan.paginator.start())
        fetched: Fetched | None = None
        try:
            try:
                async with aclosing(stream.pages()) as pages:
                    fetched = await anext(pages, None)
            finally:
                await transport.close()
            return self._seen(unsigned, transport, fetched, stream)
        except HeadraceError as error:
            scrub(error, self._masker.mask_text)
            body = self._masked(transport.got)
            return Preview(
                plan.step, self._part, request=self._shown(unsigned, transport), response=body, notes=self._notes,
                error=error,
            )  # fmt: skip

    def _context(self, transport: Transport, tokens: TokenStore) -> RunContext:
        return RunContext(
            run_id=NOT_YET, pipeline="", org="", scope="", params={}, now=0, lookup=self._lookup,
            database=_NoDatabase(self._capabilities), transport=transport, clock=SystemClock(), emit=self._note,
            secret=_unused, masker=self._masker, tokens=tokens, cache=None, shared_limit=None, last_complete=_nothing,
            stop=asyncio.Event(), page_limit=1,
        )  # fmt: skip

    def _note(self, event: Event) -> None:
        if isinstance(event, RequestRetried):
            self._notes.append(f"attempt {event.attempt} failed ({event.reason}); asked again after {event.wait:.1f} s")
        elif isinstance(event, Waiting) and event.seconds >= 1:
            self._notes.append(f"waited {event.seconds:.0f} s: {event.reason}")

    def _shown(self, unsigned: Request, transport: _Watched) -> Shown:
        return show_signed(transport.sent or unsigned, unsigned, self._templates, self._plan.auth, self._masker)

    def _masked(self, response: Response | None) -> Response | None:
        if response is None:
            return None
        body, masked = self._masker.mask_bytes(response.body)
        headers = tuple((name, self._masker.mask_text(value)) for name, value in response.headers)
        return replace(response, url=self._masker.mask_text(response.url), headers=headers, body=body, masked=masked)

    def _seen(self, unsigned: Request, transport: _Watched, fetched: Fetched | None, stream: Stream) -> Preview:
        if fetched is None or fetched.response is None:
            return Preview(self._plan.step, self._part, self._shown(unsigned, transport), why="there is no page")
        plan, at = self._plan, fetched.at
        return Preview(
            step=plan.step,
            slice=self._part,
            request=self._shown(unsigned, transport),
            response=fetched.response,
            records=fetched.count,
            tables=self._tables(fetched),
            goes_on=not at.done,
            next_cursor=at.cursor_next,
            why=why_on(plan, fetched),
            total=at.memo.get("total"),
            doubts=tuple(stream.suspicions),
            notes=self._notes,
        )

    def _tables(self, fetched: Fetched) -> list[PreviewTable]:
        assert fetched.response is not None
        limits, fold = self._capabilities.limits, self._capabilities.fold
        mapper = Mapper(self._plan.tables, known={}, limits=limits, lookup=self._lookup, fold=fold)
        mapped = mapper.map(fetched.records, page_id=fetched.page_id, fetched_at=fetched.response.fetched_at)
        made = {batch.table: batch for batch in mapped.batches}
        found = []
        for spec in mapper.specs:
            batch = made.get(spec.name)
            rejected = tuple((r.record, r.reason) for r in mapped.rejected if r.table == spec.name)
            if batch is None:
                columns: dict[str, str] = {name: type or "untyped" for name, type in spec.columns.items()}
                found.append(PreviewTable(spec.name, columns, (), 0, rejected))
                continue
            columns = {
                n: str(t) for n, t in batch.types.items() if n in batch.rows.schema.names and n not in spec.hidden
            }
            first = batch.rows.slice(0, self._rows).select(list(columns)).to_pylist()
            rows = [tuple(row.values()) for row in first]
            found.append(PreviewTable(spec.name, columns, rows, batch.rows.num_rows, rejected))
        return found


def _unused(reference: CredentialRef) -> Secret:
    raise AssertionError("the client has its credential already")


def _nothing(step: str) -> None:
    return None
