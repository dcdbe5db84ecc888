"""What the first page of a list says about the next one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from headrace.discover.asked import Asked
from headrace.discover.places import LAST_KEYS, OFFSETS, PAGES, header_name, params_for
from headrace.discover.probe import Page
from headrace.discover.records import path_text
from headrace.discover.values import BACK, FLAG, LINK, Value, around, is_cursor
from headrace.sources.paginate._links import find

Candidate = tuple[dict[str, Any], str]
"""A ``pagination`` block, and why it may be the right one."""
_NEXT = re.compile(r"next(?:[-_]?(?:cursor|(?:page[-_]?)?token|page|url|link|href))?", re.IGNORECASE)
_CURSOR_HEADER = re.compile(r"x-.*(?:next|cursor|continu)|.*next-?(?:cursor|token|page)")
_KEYS = ("id", "_id", "uuid", "key")


class Candidates:
    """``first`` is the first page of the list at ``path``, asked for as ``asked`` without a position."""

    def __init__(self, asked: Asked, path: str, first: Page) -> None:
        self._asked, self._path, self._first = asked, path, first
        self._given = [name for where, name, _ in asked.hints if where == "query"]
        self.values = [v for v in around(first.seen.document, path) if any(not part.isdigit() for part in v.path)]
        self.flag = next((v for v in self.values if isinstance(v.value, bool) and FLAG.fullmatch(v.name)), None)
        """The value that says whether there is more, if one does."""

    def told(self) -> Iterator[Candidate]:
        """What can be tried, the surest first."""
        yield from self.links()
        yield from self._cursors()
        yield from self._cursor_headers()
        yield from self._last_keys()

    def links(self) -> Iterator[Candidate]:
        if find(self._first.seen.response.header_all("link"), "next") is not None:
            yield {"type": "link"}, 'the answer has a Link header with rel="next"'
        for one in self.values:
            relations = (
                isinstance(one.value, list)
                and one.value
                and all(isinstance(i, dict) and ("rel" in i or "relation" in i) for i in one.value)
            )
            address = isinstance(one.value, str) and LINK.fullmatch(one.value) and not BACK.fullmatch(one.name)
            if relations or (address and any("next" in part.lower() for part in one.path)):
                yield {"type": "link", "response_path": one.text}, f"{one.text} is a link"

    def _cursors(self) -> Iterator[Candidate]:
        found = [v for v in self.values if is_cursor(v)]
        found.sort(key=lambda v: not re.search(r"next|cursor", v.name, re.IGNORECASE))
        more = {"more_path": self.flag.text} if self.flag is not None else {}
        for one in found:
            if isinstance(one.value, dict):
                yield (
                    {"type": "cursor", "response_path": one.text, "merge": True},
                    f"{one.text} is an object that the next request carries",
                )
                continue
            for place in self._places(one.name, one.path[:-1])[:4]:
                config = {"type": "cursor", **place, "response_path": one.text, **more}
                yield config, f"{one.text} has the look of a cursor"
                if place.get("param") in self._given:
                    yield {**config, "exclusive": True}, f"{one.text} has the look of a cursor"

    def _cursor_headers(self) -> Iterator[Candidate]:
        for name, value in self._first.seen.response.headers:
            if _CURSOR_HEADER.match(name) and value:
                shown = header_name(name)
                for place in self._places(name, ())[:3]:
                    yield {"type": "cursor", **place, "response_header": shown}, f"the answer has the header {shown}"

    def _last_keys(self) -> Iterator[Candidate]:
        """The key of the last record as the cursor, where the answer says that there is more, and nothing else."""
        if self.flag is None or self.flag.value is not True or self.place_names() or "*" in self._path:
            return
        record = self._first.records[-1] if self._first.texts else {}
        key = next((name for name in _KEYS if isinstance(record, dict) and name in record), None)
        if key is None:
            return
        at = f"{self._path}.-1.{key}" if self._path else f"-1.{key}"
        for name in dict.fromkeys([*self._given, *LAST_KEYS[:2]]):
            yield (
                {"type": "cursor", "param": name, "response_path": at, "more_path": self.flag.text},
                f"{self.flag.text} says that there is more, and no cursor stands beside it",
            )

    def _places(self, name: str, above: tuple[str, ...]) -> list[dict[str, Any]]:
        """Where the next request may take a cursor called ``name``: what was given empty first."""
        config, guesses = self._asked.config, params_for(name)
        given = [_place(where, n, v) for where, n, v in self._asked.hints if where != "query" or not v.isdigit()]
        if "graphql" in config:
            return [*given, *({"in": "body", "body_path": f"variables.{g}"} for g in guesses)]
        if "body" in config:
            beside = [path_text((*above, guess)) for guess in guesses[:1]] if above else []
            names = dict.fromkeys(["start_cursor", *beside, *guesses])
            return [*given, *({"in": "body", "body_path": g} for g in names)]
        return [*given, *({"param": guess} for guess in guesses)]

    def place_names(self) -> list[str]:
        """The names of page numbers and offsets that were given or answered."""
        answered = [v.name for v in self.values if isinstance(v.value, int) and not isinstance(v.value, bool)]
        return [name for name in (*self._given, *answered) if name in (*PAGES, *OFFSETS, "current_page", "currentPage")]

    def empty(self) -> Candidate | None:
        """A name that leads on, where this page is the last one and nothing can be tried."""
        for one in self.values:
            if one.value not in (None, "") or not _NEXT.fullmatch(one.name):
                continue
            why = f"{one.text} is empty on this one page, so nothing could be tried"
            if self._names_a_link(one):
                return {"type": "link", "response_path": one.text}, why
            place = self._places(one.name, one.path[:-1])[0]
            return {"type": "cursor", **place, "response_path": one.text}, why
        return None

    def _names_a_link(self, one: Value) -> bool:
        beside = {v.name.lower() for v in self.values if v.path[:-1] == one.path[:-1]}
        named = re.search(r"url|link|href", one.name, re.IGNORECASE) is not None
        return named or bool(beside & {"previous", "prev", "self", "href"})


def _place(where: str, name: str, value: str) -> dict[str, Any]:
    if where == "body":
        return {"in": "body", "body_path": name}
    if where == "header":
        return {"in": "header", "param": name}
    return {"param": name, **({"start": value} if value == "*" else {})}
