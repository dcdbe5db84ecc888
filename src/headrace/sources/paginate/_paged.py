"""What cursor, offset and page have in common: places, page size, and how the end is told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import ConfigDict, Field

from headrace.core.contracts import Answer, Paginator
from headrace.core.http import Request
from headrace.core.model import PathText
from headrace.core.paths import MISSING, Path, parse
from headrace.sources.paginate._lost import flagged
from headrace.sources.paginate._place import Where, put


class Paged(Paginator):
    """A position that goes into the request."""

    model_config = ConfigDict(populate_by_name=True)

    param: str
    in_: Where = Field("query", alias="in")
    """Where the position goes, and with ``body`` the page size too."""
    body_path: PathText | None = None
    """in: body: where in the JSON body (``variables.after``), or the form's field; by default ``param``. In
    a text body the place is written ``{{param}}``."""
    limit: int | None = Field(None, ge=1)
    """Page size to ask for; not sent unless given. Servers may give less."""
    limit_param: str = "limit"
    """Parameter (in: body: path) of the page size."""
    more_path: PathText | None = None
    """Where the answer says whether there are more pages; false ends the crawl."""
    total_path: PathText | None = None
    """Where the answer says how many records there are in all."""
    total_header: str | None = None
    """Header that says how many records there are in all (``X-Total-Count``)."""
    stop_on_short: bool = False
    """A page with fewer records than ``limit`` is the last. Only for servers that fill every page: many cap
    the page size without a word."""

    def wants(self) -> Sequence[Path]:
        return [parse(text) for text in (self.more_path, self.total_path) if text is not None]

    def total(self, answer: Answer) -> int | None:
        if self.total_header is not None:
            total = whole(answer.response.header(self.total_header))
        else:
            total = whole(self._value(answer, self.total_path))
        return total or (None if answer.seen else total)  # 0 beside records means "not counted"

    @property
    def _place(self) -> str:
        return self.body_path if self.in_ == "body" and self.body_path is not None else self.param

    def _sized(self, request: Request) -> Request:
        if self.limit is None:
            return request
        return put(request, "body" if self.in_ == "body" else "query", self.limit_param, self.limit)

    def _value(self, answer: Answer, path: str | None) -> Any:
        return MISSING if path is None else answer.envelope.values.get(parse(path), MISSING)

    def _more(self, answer: Answer) -> bool | None:
        """What the API says about further pages; ``None`` when it says nothing."""
        value = self._value(answer, self.more_path)
        if value is MISSING:
            return None
        return value not in (None, False, 0, "", "false", "False", "0", "no")

    def _full(self, answer: Answer) -> bool:
        return self.limit is not None and answer.count >= self.limit

    def _short(self, answer: Answer) -> bool:
        return self.stop_on_short and self.limit is not None and answer.count < self.limit

    def _cut_short(self, answer: Answer) -> tuple[str, str] | None:
        """The doubt at an end that only ``stop_on_short`` saw, while the answer says that there is more."""
        if not self._short(answer):
            return None
        more = self._more(answer)
        flag = self.more_path if more else flagged(answer.envelope.around(Path((), ""))[1]) if more is None else None
        if flag is None:
            return None
        return (
            f"the crawl ended on a page of {answer.count} records, fewer than the limit {self.limit}, although '{flag}' is true",
            f"more_path: {flag}, and leave out stop_on_short",
        )

    def _overrun(self, answer: Answer) -> tuple[str, str] | None:
        """The doubt at an end that only the total told, where more came than it declares."""
        total = self.total(answer)
        if total is None or answer.seen <= total or not answer.count or self._more(answer) is not None:
            return None
        return (
            f"the API declared {total} records, and {answer.seen} had come when the crawl ended there",
            "the total counts something else: leave out total_path (or total_header), and the end is an empty page",
        )

    def _all_seen(self, answer: Answer) -> bool:
        """Whether all that the API declared has come."""
        total = self.total(answer)
        return total is not None and answer.seen >= total


def whole(value: Any) -> int | None:
    """A declared number: an integer, or its text."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        value = value.strip()
        return int(value) if value.isascii() and value.isdigit() and len(value) < 19 else None
    if isinstance(value, float):
        return int(value) if value.is_integer() and value >= 0 else None
    return value if isinstance(value, int) and value >= 0 else None
