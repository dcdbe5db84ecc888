"""The paging style of an API: guessed from names, tried on a second page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from headrace.core.contracts import Paginator
from headrace.core.errors import HeadraceError, RequestFailed
from headrace.discover.places import CURSORS, OFFSETS, PAGES, params_for
from headrace.discover.probe import Page, Probe, Spent
from headrace.discover.records import path_text
from headrace.sources.paginate._links import find

_FLAG = re.compile(r"(?:has|is)?[-_ ]?(?:more|next)(?:[-_]?(?:pages?|results|items|records))?", re.IGNORECASE)
_TOTAL = re.compile(
    r"(?:total|count)[-_]?(?:count|results|records|items|size|elements|hits)?|\w*total[-_]?results|num(?:ber)?[-_]?(?:of[-_]?)?(?:found|results|hits)|found",
    re.IGNORECASE,
)
_PAGES = re.compile(r"(?:total|num|number[-_]of|last)?[-_]?pages?(?:[-_]?(?:count|total))?", re.IGNORECASE)
_CURSOR = re.compile(r".*(?:next|cursor|after|token|contin|resum|scroll|marker|offset|bookmark).*", re.IGNORECASE)
_BACK = re.compile(r".*(?:prev|before|first|last|self|start|csrf).*", re.IGNORECASE)
_LINK = re.compile(r"https?://\S+|[/?]\S*[=/]\S*")
_LAST = ("starting_after", "after", "after_id", "since_id", "last_id")
_BEYOND = 1_000_000
_REFUSALS = frozenset({400, 404, 410, 416, 422})


@dataclass(frozen=True)
class Paging:
    """A ``pagination`` block, whether a second page bore it out, and what to know about it."""

    config: dict[str, Any]
    sure: bool
    why: str
    second: Page | None = None
    end_on: int | None = None
    doubts: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class Value:
    """A value of an answer, outside its records."""

    path: tuple[str, ...]
    value: Any

    @property
    def name(self) -> str:
        return next(part for part in reversed(self.path) if not part.isdigit())

    @property
    def text(self) -> str:
        return path_text(self.path)


def around(node: Any, records: str, at: tuple[str, ...] = ()) -> Iterator[Value]:
    """The values of an answer outside its records."""
    if at and (path_text(at) == records or records.startswith(f"{path_text(at)}.*")):
        return
    members = node.items() if isinstance(node, dict) else enumerate(node[:5]) if isinstance(node, list) else ()
    if len(at) > 5 or (not at and not records):
        return
    for name, value in members:
        here = (*at, str(name))
        if path_text(here) != records:
            yield Value(here, value)
            yield from around(value, records, here)


class Finder:
    """Finds the paging of one list. ``first`` is its first page, asked without a position."""

    def __init__(self, probe: Probe, path: str, first: Page) -> None:
        self._probe, self._path, self._first = probe, path, first
        self._values = [v for v in around(first.seen.document, path) if any(not part.isdigit() for part in v.path)]
        self._hints = probe.asked.hints

    async def compared(self, config: dict[str, Any] | None, why: str) -> Paging:
        """The same from requests that were made already, where nothing can be tried: ``config`` and ``why`` are
        what tells them apart, if something does."""
        for link in [found for found in self._told() if found[0]["type"] == "link"]:
            if (paging := await self._try(*link)) is not None:
                return await self._with_end(paging)
        if config is not None:
            flag = self._flag()
            if flag is not None and flag.value is True and config["type"] == "cursor":
                config = {**config, "more_path": flag.text}
            paging = await self._with_end(await self._try(config, why) or Paging(config, False, why))
            if config["type"] == "cursor" or set(paging.config) - set(config):
                return paging
            return replace(
                paging,
                doubts=(*paging.doubts, "nothing here says where the end is: if it is answered 404, add end_on: [404]"),
            )
        if (paging := await self.find()).sure:
            return paging
        first = next((found for found in self._told() if found[0]["type"] == "link"), None)
        offered = [name for where, name, _ in self._hints if where == "query"]
        guess, said = first or named(self._first.seen.document, self._path, offered)
        return await self._with_end(Paging(guess, False, f"only one page of it was there, and {said}"))

    async def find(self) -> Paging:
        """The best that could be told with the requests there are."""
        try:
            for config, why in self._told():
                if (paging := await self._try(config, why)) is not None:
                    return await self._with_end(paging)
            if (paging := await self._by_place()) is not None:
                return await self._with_end(paging)
        except Spent:
            return self._unsure() or Paging(
                {"type": "none"}, False, "not found with the requests that a draft may cost"
            )
        if (unsure := self._unsure()) is not None:
            return unsure
        return Paging(
            {"type": "none"}, False, "nothing in the answer leads on, and page=2, offset and skip change nothing"
        )

    def _told(self) -> Iterator[tuple[dict[str, Any], str]]:
        """What the first page says about the next, the surest first."""
        response = self._first.seen.response
        if find(response.header_all("link"), "next") is not None:
            yield {"type": "link"}, 'the answer has a Link header with rel="next"'
        for one in self._values:
            links = (
                isinstance(one.value, list)
                and one.value
                and all(isinstance(i, dict) and ("rel" in i or "relation" in i) for i in one.value)
            )
            next_text = isinstance(one.value, str) and _LINK.fullmatch(one.value) and not _BACK.fullmatch(one.name)
            if links or (next_text and any("next" in part.lower() for part in one.path)):
                yield {"type": "link", "response_path": one.text}, f"{one.text} is a link"
        flag = self._flag()
        yield from self._cursors(flag)
        for name, value in response.headers:
            if re.match(r"x-.*(?:next|cursor|continu)|.*next-?(?:cursor|token|page)", name) and value:
                for param in self._params(name, ())[:3]:
                    yield (
                        {"type": "cursor", **param, "response_header": _title(name)},
                        f"the answer has the header {_title(name)}",
                    )
        if flag is not None and flag.value is True and not self._place_hints():
            record = self._first.records[-1] if self._first.texts else {}
            key = next(
                (name for name in ("id", "_id", "uuid", "key") if isinstance(record, dict) and name in record), None
            )
            if key is not None and "*" not in self._path:
                at = f"{self._path}.-1.{key}" if self._path else f"-1.{key}"
                given = [name for where, name, _ in self._hints if where == "query"]
                for name in dict.fromkeys([*given, *_LAST[:2]]):
                    yield (
                        {"type": "cursor", "param": name, "response_path": at, "more_path": flag.text},
                        f"{flag.text} says that there is more, and no cursor stands beside it",
                    )

    def _cursors(self, flag: Value | None) -> Iterator[tuple[dict[str, Any], str]]:
        found = [v for v in self._values if _is_cursor(v)]
        found.sort(key=lambda v: not re.search(r"next|cursor", v.name, re.IGNORECASE))
        told = {"more_path": flag.text} if flag is not None else {}
        for one in found:
            if isinstance(one.value, dict):
                yield (
                    {"type": "cursor", "response_path": one.text, "merge": True},
                    f"{one.text} is an object that the next request carries",
                )
                continue
            for place in self._params(one.name, one.path[:-1])[:4]:
                config = {"type": "cursor", **place, "response_path": one.text, **told}
                yield config, f"{one.text} has the look of a cursor"
                if any(place.get("param") == name for where, name, _ in self._hints if where == "query"):
                    yield {**config, "exclusive": True}, f"{one.text} has the look of a cursor"

    def _params(self, name: str, above: tuple[str, ...]) -> list[dict[str, Any]]:
        """Where the next request may take a cursor called ``name``: what was given empty first."""
        config = self._probe.asked.config
        guesses = params_for(name)
        given = [
            ({"in": "body", "body_path": n} if where == "body" else {"in": "header", "param": n} if where == "header" else {
                "param": n, **({"start": v} if v == "*" else {})})
            for where, n, v in self._hints if where != "query" or not v.isdigit()
        ]  # fmt: skip
        if "graphql" in config:
            return [*given, *({"in": "body", "body_path": f"variables.{g}"} for g in guesses)]
        if "body" in config:
            inside = [path_text((*above, guess)) for guess in guesses[:1]] if above else []
            return [
                *given,
                *({"in": "body", "body_path": g} for g in dict.fromkeys(["start_cursor", *inside, *guesses])),
            ]
        return [*given, *({"param": guess} for guess in guesses)]

    def _flag(self) -> Value | None:
        return next((v for v in self._values if isinstance(v.value, bool) and _FLAG.fullmatch(v.name)), None)

    def _place_hints(self) -> list[str]:
        given = [name for where, name, _ in self._hints if where == "query"]
        told = [v.name for v in self._values if isinstance(v.value, int) and not isinstance(v.value, bool)]
        return [name for name in (*given, *told) if name in (*PAGES, *OFFSETS, "current_page", "currentPage")]

    async def _by_place(self) -> Paging | None:
        """Page numbers and offsets: what was named first, then the usual names."""
        if "body" in self._probe.asked.config or "graphql" in self._probe.asked.config:
            return None
        hints = [re.sub(r"^current_?(p)age$", r"\1age", n, flags=re.IGNORECASE) for n in self._place_hints()]
        for name in dict.fromkeys([*hints, "page", "offset", "skip"]):
            said = f"the name '{name}' was given or answered" if name in hints else f"'{name}' was tried and leads on"
            paging = await (
                self._numbered(name, said) if name in PAGES else self._try({"type": "offset", "param": name}, said)
            )
            if paging is not None:
                return paging
        return None

    async def _numbered(self, name: str, said: str) -> Paging | None:
        """Page 1 shows whether counting begins at 0: it is the first page, or already the second."""
        config = {"type": "page", "param": name}
        paginator = self._paginator(config)
        one = await self._probe.at(paginator, 1, self._path, 1, 0)
        if one is None or not one.texts:
            return None
        if one.shares(self._first) < 0.5:
            return Paging(
                {**config, "start": 0}, True, f"{said}; page 1 is the second page, so counting begins at 0", one
            )
        two = await self._probe.at(paginator, 2, self._path, 2, len(one.texts))
        if two is None or not two.texts or two.shares(self._first) >= 0.5:
            return None
        return Paging(config, True, f"{said}; page 2 differs from page 1", two)

    def _paginator(self, config: dict[str, Any]) -> Paginator:
        return self._probe.plan({"pagination": config, "data_path": self._path}).paginator

    async def _try(self, config: dict[str, Any], why: str) -> Paging | None:
        """``config``, if the page that it leads to is another one."""
        try:
            paginator = self._paginator(config)
            first = self._probe.page(self._first.seen, self._path, paginator)
            cursor = paginator.next(first.answer, paginator.start())
        except HeadraceError:
            return None
        if cursor is None:
            return None
        page = await self._probe.at(paginator, cursor, self._path, 2, len(first.texts))
        if page is None or not page.texts or page.shares(first) >= 0.5:
            return None
        if config["type"] == "cursor" and self._same_cursor(paginator, page, cursor):
            config = {**config, "stop_on_empty": True}
        return Paging(config, True, f"{why}; the page after it differs from the first", page)

    def _same_cursor(self, paginator: Paginator, page: Page, cursor: Any) -> bool:
        try:
            return bool(paginator.next(page.answer, cursor) == cursor)
        except HeadraceError:
            return False

    async def _with_end(self, paging: Paging) -> Paging:
        """How the end is told, for styles that do not tell it by themselves."""
        if paging.config["type"] not in ("page", "offset", "link"):
            return paging
        config, count = dict(paging.config), len(self._first.texts)
        numbers = [
            v
            for v in self._values
            if isinstance(v.value, int | str) and not isinstance(v.value, bool) and str(v.value).isdigit()
        ]
        if (flag := self._flag()) is not None and flag.value is True and paging.config["type"] != "link":
            config["more_path"] = flag.text
        if paging.config["type"] == "page":
            pages = next(
                (v for v in numbers if _PAGES.fullmatch(v.name) and v.name.lower() != "page" and int(v.value) > 1), None
            )
            if pages is not None:
                config["pages_path"] = pages.text
        total = next((v for v in numbers if _TOTAL.fullmatch(v.name) and int(v.value) > count), None)
        header = next((name for name, value in self._first.seen.response.headers
                       if re.fullmatch(r"x-total(?:-count|-results)?", name) and value.isdigit() and int(value) > count), None)  # fmt: skip
        if total is not None:
            config["total_path"] = total.text
        elif header is not None and paging.config["type"] != "link":
            config["total_header"] = _title(header)
        if set(config) - set(paging.config):
            return replace(paging, config=config)
        return paging if paging.config["type"] == "link" else await self._beyond(paging)

    async def _beyond(self, paging: Paging) -> Paging:
        """Nothing names the end: what the API says far behind it."""
        paginator = self._paginator(paging.config)
        try:
            seen = await self._probe.ask(paginator.apply(self._probe.base, _BEYOND), accept=_REFUSALS)
            if seen.response.status in _REFUSALS:
                return replace(paging, end_on=seen.response.status)
            page = self._probe.page(seen, self._path, paginator)
        except (Spent, RequestFailed):
            return paging
        except HeadraceError:
            return replace(paging, doubts=("far behind the end the answer is built otherwise: watch the last page",))
        if page.texts:
            return replace(
                paging, doubts=("far behind the end there are records still: the crawl may not end by itself",)
            )
        return paging

    def _unsure(self) -> Paging | None:
        """A name that leads on, where this answer was the last page."""
        for one in self._values:
            if one.value not in (None, "") or not re.fullmatch(
                r"next(?:[-_]?(?:cursor|(?:page[-_]?)?token|page|url|link|href))?", one.name, re.IGNORECASE
            ):
                continue
            beside = {v.name.lower() for v in self._values if v.path[:-1] == one.path[:-1]}
            if re.search(r"url|link|href", one.name, re.IGNORECASE) or beside & {"previous", "prev", "self", "href"}:
                config: dict[str, Any] = {"type": "link", "response_path": one.text}
            else:
                config = {"type": "cursor", **self._params(one.name, one.path[:-1])[0], "response_path": one.text}
            return Paging(config, False, f"{one.text} is empty on this one page, so nothing could be tried")
        return None


def named(document: Any, path: str, offered: list[str]) -> tuple[dict[str, Any], str]:
    """The paging that the names of an answer and of the parameters that an operation offers make likely, and why."""
    values = [
        v for v in around(document, path) if isinstance(v.value, str | int | float) and not isinstance(v.value, bool)
    ]
    flag = next((v for v in around(document, path) if v.value is True and _FLAG.fullmatch(v.name)), None)
    told = {"more_path": flag.text} if flag is not None else {}
    for one in values:
        if not _CURSOR.fullmatch(one.name) or _BACK.fullmatch(one.name):
            continue
        for param in dict.fromkeys([*params_for(one.name), *(name for name in offered if name in CURSORS)]):
            if param in offered and param not in (*PAGES, *OFFSETS):
                return {"type": "cursor", "param": param, "response_path": one.text, **told}, (
                    f"{one.text} of the answer and the parameter {param} go together"
                )
    last = next((name for name in _LAST if name in offered), None)
    if last is not None and flag is not None and path and "*" not in path:
        config = {"type": "cursor", "param": last, "response_path": f"{path}.-1.id", **told}
        return config, f"there is a parameter {last}, and {flag.text} says whether there is more"
    pages, offsets = ([name for name in offered if name in names] for names in (PAGES, OFFSETS))
    total = next(
        (
            v
            for v in values
            if isinstance(v.value, int | float) and "total" in v.name.lower() and _TOTAL.fullmatch(v.name)
        ),
        None,
    )
    end = {**told, **({"total_path": total.text} if total is not None else {})}
    if pages:
        return {"type": "page", "param": pages[0], **end}, f"there is a parameter {pages[0]}"
    if offsets:
        return {"type": "offset", "param": offsets[0], **end}, f"there is a parameter {offsets[0]}"
    link = next(
        (
            v
            for v in values
            if isinstance(v.value, str) and re.fullmatch(r"next(?:[-_]?(?:link|url|href))?", v.name, re.IGNORECASE)
        ),
        None,
    )
    if link is not None:
        return {"type": "link", "response_path": link.text}, f"{link.text} may hold the link to the next page"
    return {"type": "none"}, "neither the parameters nor the answer speak of pages"


def _is_cursor(one: Value) -> bool:
    value = one.value
    if _BACK.fullmatch(one.name) or not _CURSOR.fullmatch(one.name):
        return False
    if isinstance(value, dict):
        return bool(re.fullmatch(r"continue|next[-_]?params?", one.name)) and all(
            isinstance(v, str | int) for v in value.values()
        )
    if isinstance(value, str):
        return bool(value) and not re.match(r"https?://", value)
    return isinstance(value, int) and not isinstance(value, bool) and value > 0 and one.name.lower() != "offset"


def _title(name: str) -> str:
    return "-".join(part.capitalize() for part in name.split("-"))
