"""One request, one page."""

from __future__ import annotations

from typing import Literal

from headrace.core.contracts import Answer, Cursor, Paginator
from headrace.core.http import Request
from headrace.core.paths import Path
from headrace.sources.paginate._links import find
from headrace.sources.paginate._lost import signs


class SinglePage(Paginator):
    """The first answer is the whole; an answer that points to further pages is doubted."""

    type: Literal["none"]
    single_page: bool = False
    """One page is wanted, whatever the answer says about more."""

    def apply(self, request: Request, at: Cursor) -> Request:
        return request

    def next(self, answer: Answer, at: Cursor) -> Cursor:
        return None

    def doubt(self, answer: Answer, at: Cursor) -> tuple[str, str] | None:
        if self.single_page or not answer.count:
            return None
        if find(answer.response.header_all("link"), "next") is not None:
            return 'the answer has a Link header with rel="next"', "pagination: {type: link}, or single_page: true"
        going_on = signs(answer.envelope.around(Path((), ""))[1])
        if not going_on:
            return None
        return f"the answer points to further pages: {', '.join(going_on)}", "a pagination, or single_page: true"
