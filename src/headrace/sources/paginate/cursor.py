"""A cursor in each answer leads to the next page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field, model_validator

from headrace.core.contracts import Answer, Cursor
from headrace.core.errors import AnswerError
from headrace.core.http import Request
from headrace.core.model import PathText
from headrace.core.paths import MISSING, Path, parse
from headrace.sources.paginate._lost import flagged, lost, refuse_lost
from headrace.sources.paginate._paged import Paged
from headrace.sources.paginate._place import alone, blank, put, refuse_long, text


class CursorPages(Paged):
    """The answer holds the next position: a text, a number, or an object. An absent, null, empty or false
    one is the end."""

    type: Literal["cursor"]
    param: str = "cursor"
    response_path: PathText | None = None
    """Where the next cursor is: ``meta.next_cursor``, ``data.-1.id`` for a field of the last record."""
    response_header: str | None = None
    """Instead of ``response_path``: the header that holds it."""
    first: str | int | None = Field(None, alias="start")
    """The cursor of the first page (Crossref's ``*``); without it the first request has none."""
    merge: bool = False
    """The cursor is an object: all its members go into the next request under their own names."""
    exclusive: bool | list[str] = False
    """A request with a cursor has no other parameters; a list names those that stay."""
    stop_on_empty: bool = False
    """An empty page is the end, whatever cursor it has (Crossref). Off, because elsewhere a page may be
    empty while more follow."""
    end: list[str | int] = Field(default_factory=list)
    """Further values that mean the end, such as ``0`` or ``"-1"``."""
    optional: bool = False
    """An absent cursor is the end, even on a full first page."""

    @model_validator(mode="after")
    def _one_source(self) -> CursorPages:
        if (self.response_path is None) == (self.response_header is None):
            raise ValueError("cursor needs response_path: where the answer holds the next cursor (or response_header)")
        if self.merge and self.response_header is not None:
            raise ValueError("merge needs response_path: a header holds no object")
        return self

    def start(self) -> Cursor:
        return self.first

    def wants(self) -> Sequence[Path]:
        return [*([parse(self.response_path)] if self.response_path is not None else []), *super().wants()]

    def apply(self, request: Request, at: Cursor) -> Request:
        if at is None:
            return blank(self._sized(request), self._place)
        if self.exclusive is not False:
            keep = tuple(self.exclusive) if isinstance(self.exclusive, list) else ()
            request = alone(request, self.in_, keep)
        else:
            request = self._sized(request)
        if not self.merge or not isinstance(at, dict):
            return put(request, self.in_, self._place, at)
        inside = f"{self.body_path}." if self.in_ == "body" and self.body_path else ""
        for name, value in at.items():
            quoted = f'"{name}"' if self.in_ == "body" and request.form is None and request.text is None else name
            request = put(request, self.in_, inside + quoted, value)
        return request

    def next(self, answer: Answer, at: Cursor) -> Cursor:
        more = self._more(answer)
        if more is False or self._short(answer) or (self.stop_on_empty and not answer.count):
            return None
        value = self._found(answer)
        if value is MISSING:
            self._refuse_lost(answer, more)
            return None
        if value in self.end:
            return None
        if value is None or value is False or value in ("", {}, []):
            if more:
                raise self._no_cursor(answer, f"although '{self.more_path}' says that there are more pages")
            return None
        return self._fit(value)

    def doubt(self, answer: Answer, at: Cursor) -> tuple[str, str] | None:
        if self.optional or self._more(answer) is False or self._short(answer):
            return None
        if self.more_path is None and (flag := flagged(answer.envelope.around(Path((), ""))[1])):
            return f"the crawl ended although '{flag}' is true", f"more_path: {flag}"
        if not answer.count:
            return None
        if self._found(answer) is not MISSING or self.total(answer) is not None:
            return None  # null, "" or false: the API said so; a declared total is compared by the crawl
        if self.more_path is not None:
            return f"neither a cursor nor '{self.more_path}' was there on the last page", "optional: true"
        if self._full(answer):
            return f"the last page was full ({answer.count} records) and had no cursor", "optional: true"
        return None

    def _found(self, answer: Answer) -> Any:
        if self.response_header is not None:
            return answer.response.header(self.response_header) or MISSING
        return self._value(answer, self.response_path)

    def _refuse_lost(self, answer: Answer, more: bool | None) -> None:
        if more:
            raise self._no_cursor(answer, f"although '{self.more_path}' says that there are more pages")
        if self.response_path is None or self.optional or not answer.count:
            return
        path = parse(self.response_path)
        if any(isinstance(segment, int) for segment in path.segments):
            raise lost(answer, path, "response_path", "although there are records")
        if answer.page_number == 1 and not self._all_seen(answer):
            refuse_lost(answer, path, "response_path", full=self._full(answer))

    def _no_cursor(self, answer: Answer, reason: str) -> AnswerError:
        if self.response_path is not None:
            return lost(answer, parse(self.response_path), "response_path", reason)
        return AnswerError(
            f"the answer has no header {self.response_header} on page {answer.page_number}, {reason}",
            hint="set pagination.response_header to the header that holds the next cursor",
        )

    def _fit(self, value: Any) -> Cursor:
        """The cursor, if a request can carry it."""
        place = f"the cursor at '{self.response_path or self.response_header}'"
        if value is True:
            raise AnswerError(
                f"{place} is true", hint="use it as more_path, and set response_path to the cursor itself"
            )
        if self.merge != isinstance(value, dict):
            if self.merge:
                raise AnswerError(f"{place} is no object", hint="merge: true is for objects: leave it out")
            if self.in_ != "body":
                raise AnswerError(
                    f"{place} is an object", hint="add merge: true, or name one of its members in response_path"
                )
        if isinstance(value, list) and self.in_ != "body":
            raise AnswerError(f"{place} is a list", hint="in: body can send it; otherwise name one element, such as .0")
        if not _encodable(text(value)):  # of an object, a key may hold one too
            raise AnswerError(
                f"{place} holds a lone surrogate, which no request can carry", hint="ask the API's makers"
            )
        refuse_long(value, place, in_body=self.in_ == "body")
        return value


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
