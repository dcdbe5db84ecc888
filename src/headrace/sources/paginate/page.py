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
        return None if not answer.count or self._all_seen(answer) else number

    def ahead(self, at: Cursor) -> Cursor:
        return int(at) + 1

    def doubt(self, answer: Answer, at: Cursor) -> tuple[str, str] | None:
        return self._cut_short(answer)

    def _pages(self, answer: Answer) -> int | None:
        if self.pages_header is not None:
            return whole(answer.response.header(self.pages_header))
        return whole(self._value(answer, self.pages_path))
