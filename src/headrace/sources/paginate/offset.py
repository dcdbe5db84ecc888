"""Pages by the number of records to pass over."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from headrace.core.contracts import Answer, Cursor
from headrace.core.http import Request
from headrace.sources.paginate._paged import Paged
from headrace.sources.paginate._place import put


class OffsetPages(Paged):
    """The offset advances by the records that came, so that a server which caps the page size loses nothing.

    The end is ``more_path``, the declared total, or an empty page. A short page is not, unless
    ``stop_on_short`` says so.
    """

    type: Literal["offset"]
    param: str = "offset"
    first: int = Field(0, ge=0, alias="start")
    """Offset of the first record (1 where the API counts from 1)."""

    def start(self) -> Cursor:
        return self.first

    def apply(self, request: Request, at: Cursor) -> Request:
        return put(self._sized(request), self.in_, self._place, at)

    def next(self, answer: Answer, at: Cursor) -> Cursor:
        offset = int(at) + answer.count
        if not answer.count or self._short(answer):
            return None  # an empty page cannot lead further: the offset would stay
        if (more := self._more(answer)) is not None:
            return offset if more else None
        return None if self._all_seen(answer) else offset

    def ahead(self, at: Cursor) -> Cursor:
        """A guess that holds while every page is full: :meth:`next` knows better."""
        return None if self.limit is None else int(at) + self.limit

    def doubt(self, answer: Answer, at: Cursor) -> tuple[str, str] | None:
        if not answer.count and self._more(answer):
            return f"an empty page, although '{self.more_path}' says that there are more", "leave out more_path"
        return self._cut_short(answer) or self._overrun(answer)
