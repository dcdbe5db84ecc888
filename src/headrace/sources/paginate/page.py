"""Pages by number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from headrace.core.contracts import Answer, Cursor
from headrace.core.http import Request
from headrace.core.model import PathText
from headrace.core.paths import Path, parse
from headrace.sources.paginate._paged import Paged, whole
from headrace.sources.paginate._place import put


class NumberedPages(Paged):
    """``page`` 1, 2, 3, … until the API says that there are no more: by ``more_path``, by a number of pages
    or records, or by an empty page. A short page is not the end, unless ``stop_on_short`` says so."""

    type: Literal["page"]
    param: str = "page"
    first: int = Field(1, ge=0, alias="start")
    """Number of the first page."""
    stop_on_empty: bool = True
    """A page without records is the last. ``false`` where pages may be empty in the middle (numbers of which some were
    never given out); then the end is said otherwise, such as ``end_on: [404]``."""
    pages_path: PathText | None = None
    """Where the answer says how many pages there are."""
    pages_header: str | None = None
    """Header that says how many pages there are (``X-Total-Pages``)."""

    def start(self) -> Cursor:
        return self.first

    def wants(self) -> Sequence[Path]:
        return [*super().wants(), *([parse(self.pages_path)] if self.pages_path is not None else [])]

    def apply(self, request: Request, at: Cursor) -> Request:
        return put(self._sized(request), self.in_, self._place, at)

    def next(self, answer: Answer, at: Cursor) -> Cursor:
        number = int(at) + 1
        if self._short(answer):
            return None
        if (more := self._more(answer)) is not None:
            return number if more else None
        if pages := self._pages(answer):
            return number if number - self.first < pages else None
        return None if self._empty(answer) or self._all_seen(answer) else number

    def ahead(self, at: Cursor) -> Cursor:
        return int(at) + 1

    def doubt(self, answer: Answer, at: Cursor) -> tuple[str, str] | None:
        return self._cut_short(answer) or (None if self._pages(answer) else self._overrun(answer))

    def _empty(self, answer: Answer) -> bool:
        return self.stop_on_empty and not answer.count

    def _pages(self, answer: Answer) -> int | None:
        if self.pages_header is not None:
            return whole(answer.response.header(self.pages_header))
        return whole(self._value(answer, self.pages_path))
