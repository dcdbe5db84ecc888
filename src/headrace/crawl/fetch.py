"""The fetch loop of one stream: pages in order, at most a window of them in flight."""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from headrace.core import faults
from headrace.core.contracts import Answer, Envelope
from headrace.core.errors import (
    AnswerError,
    CursorExpired,
    ErrorInAnswer,
    LoopDetected,
    PathNotFound,
    RequestFailed,
    SourceError,
)
from headrace.core.events import PageFetched
from headrace.core.http import Request, Response, without_params
from headrace.core.paths import Path
from headrace.core.tables import Checkpoint, Cursor, RawPage, StreamKey, page_id
from headrace.core.templates import Lookup
from headrace.crawl import marks
from headrace.crawl.completeness import reported_error
from headrace.crawl.context import RunContext
from headrace.crawl.plan import CrawlPlan
from headrace.crawl.repeats import Repeats
from headrace.sources.client import ApiClient, request_key
from headrace.sources.decode import by_content_type, count
from headrace.sources.throttle import BudgetSpent

DECODE_ASIDE = 1 << 20
"""Bodies from this size are opened on another thread, so that heartbeats and other streams go on."""
UNKNOWN_BYTES = 6 << 20
"""What the first page is taken for."""
ROOT = Path((), "")

Ended = Literal["done", "capped", "paused", "budget", "stopped"]


@dataclass(frozen=True, slots=True)
class Fetched:
    """A page on its way to the writer; ``at`` is where the stream stands once it is committed.

    ``response`` is ``None`` for an end that is no page (a status of ``end_on``).
    """

    at: Checkpoint
    response: Response | None
    records: bytes
    count: int
    page_id: int
    cache_key: str
    stamp: int
    raw: RawPage | None = None
    """What the archive gets; it stands for the response's body, which is gone then."""
    size: int = 512
    """Bytes that it counts for until it is committed."""


class Stream:
    """One stream of pages, from its checkpoint to its end. Iterate it once."""

    def __init__(
        self,
        plan: CrawlPlan,
        ctx: RunContext,
        client: ApiClient,
        key: StreamKey,
        lookup: Lookup,
        start: Checkpoint | None,
    ) -> None:
        self.key = key
        self.ended: Ended = "stopped"
        self.suspicions: list[tuple[str, str]] = (
            [(seen, remedy) for seen, remedy in start.memo.get("doubts", ())] if start is not None else []
        )
        self._plan, self._ctx, self._client = plan, ctx, client
        self._first = Checkpoint(key, cursor_next=plan.paginator.start())
        self._from = start
        self._base = plan.request(lookup)
        self._streams = plan.slices.concurrency if plan.slices is not None else 1
        self._wants: tuple[Path, ...] = (
            *plan.paginator.wants(),
            *(p for p in (plan.error_path, plan.ok_path) if p is not None),
        )
        self._guesses = True
        self._typical = UNKNOWN_BYTES
        """Bytes of the last page's body."""
        self._repeats = Repeats()
        if start is not None and "hash" in start.memo:
            self._repeats.add(start.memo["at"], start.memo["hash"], start.page_number)

    async def pages(self) -> AsyncGenerator[Fetched, None]:
        """Yield every page after the checkpoint. Sets :attr:`ended` and :attr:`suspicions`."""
        at = self._from or self._first
        if at.done:
            self.ended = "done"
            return
        window: deque[tuple[Cursor, Request, asyncio.Task[Response]]] = deque()
        fetched_here = 0
        try:
            while True:
                number = at.page_number + 1
                if (halt := self._halt(number, fetched_here)) is not None:
                    self.ended = halt
                    return
                if not window or window[0][0] != at.cursor_next:
                    # A server that caps its pages makes every guess wrong: asking ahead would only cost requests.
                    self._guesses = self._guesses and not window
                    await _cancel(window)
                    self._open(window, at.cursor_next, number)
                self._widen(window, number, fetched_here)
                _, request, task = window[0]  # stays there while it runs, so that whatever ends this cancels it too
                if not await self._wait(task):
                    return
                window.popleft()
                page = await self._page(at, number, request, task)
                at = page.at
                fetched_here += 1
                self._typical = len(page.records) + (len(page.response.body) if page.response else 0) + 512
                if not window and not at.done and self._early and self._halt(number + 1, fetched_here) is None:
                    self._open(window, at.cursor_next, number + 1)  # under way while this page is handed on
                yield page
                if at.done:
                    self.ended = "done"
                    return
        except BudgetSpent:
            self.ended = "budget"
        finally:
            await _cancel(window)

    def _halt(self, number: int, fetched_here: int) -> Ended | None:
        """Why page ``number`` is not asked for."""
        if number > self._plan.max_pages:
            return "capped"
        if self._ctx.page_limit is not None and fetched_here >= self._ctx.page_limit:
            return "paused"
        return "stopped" if self._ctx.stop.is_set() else None

    @property
    def _early(self) -> bool:
        """Pages are short enough that each stream may hold one more than has room on the way to the writer."""
        return 2 * self._streams * self._typical <= self._plan.bytes_on_the_way

    def _open(self, window: deque[Any], cursor: Cursor, number: int) -> None:
        request = self._plan.paginator.apply(self._base, cursor)
        request = replace(request, slot=f"{self.key.step}/{self.key.slice}/{number}")
        accept = self._plan.end_on
        window.append(
            (cursor, request, asyncio.create_task(self._client.fetch(request, accept=accept, home=self._base.url)))
        )

    def _widen(self, window: deque[Any], number: int, fetched_here: int) -> None:
        """Ask ahead for pages whose position needs no answer, as far as every limit allows. What comes early
        waits here: about as many bytes, over all streams, as may be on the way to the writer."""
        room = min(self._plan.rate_limit.concurrency, self._plan.max_pages - number + 1)
        room = min(room, max(1, self._plan.bytes_on_the_way // (self._typical * self._streams)))
        if self._ctx.page_limit is not None:
            room = min(room, self._ctx.page_limit - fetched_here)
        while self._guesses and len(window) < room:
            ahead = self._plan.paginator.ahead(window[-1][0])
            if ahead is None:
                return
            self._open(window, ahead, number + len(window))

    async def _wait(self, task: asyncio.Task[Response]) -> bool:
        """Wait for the answer; false when the run was asked to stop first."""
        stop = asyncio.create_task(self._ctx.stop.wait())
        try:
            await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stop.cancel()
        return task.done()

    async def _page(self, at: Checkpoint, number: int, request: Request, task: asyncio.Task[Response]) -> Fetched:
        try:
            response = task.result()
        except RequestFailed as error:
            resumed_here = self._from is not None and number == self._from.page_number + 1
            if resumed_here and at.cursor_next is not None and error.status in (400, 404, 410, 422):
                raise CursorExpired(
                    f"the API no longer accepts the cursor that this run stands at ({error.message})",
                    status=error.status,
                    body=error.body,
                    hint="everything committed is safe; start over with --restart, or begin a new run",
                    place=f"{self._place}, page {number}",
                ) from error
            raise
        except SourceError as error:  # a redirect to another origin, a body that cannot be unpacked
            error.place = error.place or f"{self._place}, page {number}"
            raise
        faults.point("fetch.received")
        try:
            return await self._opened(at, number, request, response)
        except (AnswerError, LoopDetected) as error:
            # A bad answer may have been kept by a killed or failed call: ask once more before giving up.
            if not response.from_cache or self._ctx.offline:
                raise _placed(error, f"{self._place}, page {number}") from error
        response = await self._client.fetch(request, accept=self._plan.end_on, fresh=True, home=self._base.url)
        try:
            return await self._opened(at, number, request, response)
        except AnswerError as error:
            raise _placed(error, f"{self._place}, page {number}") from error

    async def _opened(self, at: Checkpoint, number: int, request: Request, response: Response) -> Fetched:
        stamp = max(response.fetched_at, at.memo.get("stamp", 0) + 1)
        if response.status not in self._plan.end_on:
            return self._advance(at, number, request, response, await self._decode(response), stamp)
        if number == 1:
            raise RequestFailed(
                f"the first page already answered {response.status}, which `end_on` reads as the end",
                status=response.status,
                hint="check the url and its parameters",
                place=self._place,
            )
        self._check_total(at)
        end = replace(at, cursor_next=None, done=True, memo=self._with_doubts(at.memo))
        return Fetched(end, None, b"[]", 0, 0, request_key(request), stamp)

    async def _decode(self, response: Response) -> Envelope:
        decoder = self._plan.decoder or by_content_type(response)
        aside = len(response.body) >= DECODE_ASIDE
        try:
            if aside:
                envelope = await asyncio.to_thread(decoder.open, response, self._plan.data_path, self._wants)
            else:
                envelope = decoder.open(response, self._plan.data_path, self._wants)
        except PathNotFound:
            # An error inside a 200 has no records: say what the API said, not what is missing.
            self._check_error(decoder.open(response, ROOT, self._wants))
            raise
        self._check_error(envelope)
        return envelope

    def _check_error(self, envelope: Envelope) -> None:
        plan = self._plan
        if plan.error_path is not None and (found := envelope.values.get(plan.error_path)):
            raise ErrorInAnswer(f"the answer reports an error at {plan.error_path}: {str(found)[:500]}")
        if plan.ok_path is not None and envelope.values.get(plan.ok_path) is False:
            _, members = envelope.around(ROOT)
            raise ErrorInAnswer(f"the answer says {plan.ok_path}: false; it has {str(members)[:500]}")

    def _advance(
        self, at: Checkpoint, number: int, request: Request, response: Response, envelope: Envelope, stamp: int
    ) -> Fetched:
        paginator, memo = self._plan.paginator, at.memo
        records = count(envelope.records) if envelope.count is None else envelope.count
        # The records alone: a cursor or a time beside them differs even when the page is the same.
        content = int.from_bytes(hashlib.sha256(envelope.records).digest()[:8], "big") >> 1
        seen = int(memo.get("seen", 0)) + records
        answer = Answer(response, envelope, records, number, seen)
        cursor = self._without_secrets(paginator.next(answer, at.cursor_next))
        total = paginator.total(answer)
        new: dict[str, Any] = {"seen": seen, "stamp": stamp, "hash": content, "at": at.cursor_next}
        if (declared := self._declared(total, memo.get("total"))) is not None:
            new["total"] = declared
        if self._plan.incremental is not None:
            new["mark"] = marks.highest(envelope.records, self._plan.incremental.path, memo.get("mark"))
        self._guard(at, number, content, records)
        after = replace(at, page_number=number, cursor_next=cursor, done=cursor is None, memo=new, rows=seen)
        if after.done:
            self._check_total(after)
            if doubt := paginator.doubt(answer, at.cursor_next):
                self.suspicions.append(doubt)
            if not records and self._plan.error_path is None and (doubt := reported_error(envelope.around(ROOT)[1])):
                self.suspicions.append(doubt)
        after = replace(after, memo=self._with_doubts(after.memo))
        self._ctx.emit(
            PageFetched(
                self._ctx.run_id,
                self._plan.step,
                self.key.slice,
                number,
                records,
                len(response.body),
                response.from_cache,
            )
        )
        identifier = page_id(stamp, self.key, number)
        return Fetched(after, response, envelope.records, records, identifier, request_key(request), stamp)

    def _declared(self, now: int | None, before: int | None) -> int | None:
        """What the API says there is. Where pages are places in a list, a total that shrinks has moved
        records to places that were read already: then the larger one counts. Behind a cursor records that come
        or go move nothing, and new ones need not be seen: the smaller one counts. A link may be either."""
        if now is None or before is None:
            return before if now is None else now
        choose = {"offset": max, "page": max, "cursor": min}.get(getattr(self._plan.paginator, "type", ""))
        return before if choose is None else choose(now, before)

    def _guard(self, at: Checkpoint, number: int, content: int, records: int) -> None:
        """The same position with the same records twice never ends; the same records elsewhere are suspicious."""
        first = self._repeats.first(content)
        if self._repeats.again(at.cursor_next, content):
            raise LoopDetected(
                f"page {number} is page {first} again: the same cursor and the same records",
                hint=f"cursor {str(at.cursor_next)[:200]!r}: check pagination.param and pagination.response_path",
                place=self._place,
            )
        if records and first is not None:
            self.suspicions.append(
                (
                    f"page {number} has the same records as page {first}",
                    "check that the page parameter reaches the API (pagination.param)",
                )
            )
        self._repeats.add(at.cursor_next, content, number)

    def _without_secrets(self, cursor: Cursor) -> Cursor:
        """A next link may repeat the key that it was asked with: signing adds it again."""
        if self._plan.auth is not None and isinstance(cursor, str) and "?" in cursor:
            return without_params(cursor, self._plan.auth.secret_params())
        return cursor

    def _with_doubts(self, memo: Mapping[str, Any]) -> Mapping[str, Any]:
        """Kept with the checkpoint: a crawl that is killed after its last page is still suspect."""
        return {**memo, "doubts": self.suspicions[:20]} if self.suspicions else memo

    def _check_total(self, end: Checkpoint) -> None:
        total, seen = end.memo.get("total"), end.memo.get("seen", 0)
        if total is not None and seen < total:
            self.suspicions.append(
                (
                    f"the API declared {total} records but gave {seen}",
                    "if the total counts something else, leave out pagination.total_path",
                )
            )

    @property
    def _place(self) -> str:
        return f"step {self.key.step}" + (f", slice {self.key.slice}" if self.key.slice else "")


def _placed(error: AnswerError | LoopDetected, place: str) -> SourceError:
    return type(error)(error.message, hint=error.hint, place=error.place or place)


async def _cancel(window: deque[Any]) -> None:
    """Drop what was asked ahead, and let the sockets close before going on."""
    tasks: Sequence[asyncio.Task[Response]] = [entry[2] for entry in window]
    window.clear()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
