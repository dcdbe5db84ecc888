"""The paging style of an API: what its first page says is tried on a second one."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any

from headrace.core.contracts import Paginator
from headrace.core.errors import HeadraceError, RequestFailed
from headrace.discover.candidates import Candidates
from headrace.discover.named import named
from headrace.discover.places import PAGES, header_name
from headrace.discover.probe import Page, Probe, Spent
from headrace.discover.values import PAGE_COUNT, TOTAL

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


class Finder:
    """Finds the paging of one list. ``first`` is its first page, asked without a position."""

    def __init__(self, probe: Probe, path: str, first: Page) -> None:
        self._probe, self._path, self._first = probe, path, first
        self._candidates = Candidates(probe.asked, path, first)

    async def compared(self, config: dict[str, Any] | None, why: str) -> Paging:
        """The same from requests that were made already, where nothing can be tried: ``config`` and ``why`` are
        what tells them apart, if something does."""
        for link in self._candidates.links():
            if (paging := await self._try(*link)) is not None:
                return await self._with_end(paging)
        if config is not None:
            flag = self._candidates.flag
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
        first = next(self._candidates.links(), None)
        offered = [name for where, name, _ in self._probe.asked.hints if where == "query"]
        guess, said = first or named(self._first.seen.document, self._path, offered)
        return await self._with_end(Paging(guess, False, f"only one page of it was there, and {said}"))

    async def find(self) -> Paging:
        """The best that could be told with the requests there are."""
        try:
            for config, why in self._candidates.told():
                if (paging := await self._try(config, why)) is not None:
                    return await self._with_end(paging)
            if (paging := await self._by_place()) is not None:
                return await self._with_end(paging)
        except Spent:
            return self._empty() or Paging({"type": "none"}, False, "not found with the requests that a draft may cost")
        if (unsure := self._empty()) is not None:
            return unsure
        return Paging(
            {"type": "none"}, False, "nothing in the answer leads on, and page=2, offset and skip change nothing"
        )

    async def _by_place(self) -> Paging | None:
        """Page numbers and offsets: what was named first, then the usual names."""
        if "body" in self._probe.asked.config or "graphql" in self._probe.asked.config:
            return None
        hints = [re.sub(r"^current_?(p)age$", r"\1age", n, flags=re.IGNORECASE) for n in self._candidates.place_names()]
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
            for v in self._candidates.values
            if isinstance(v.value, int | str) and not isinstance(v.value, bool) and str(v.value).isdigit()
        ]
        if (flag := self._candidates.flag) is not None and flag.value is True and paging.config["type"] != "link":
            config["more_path"] = flag.text
        if paging.config["type"] == "page":
            pages = next(
                (v for v in numbers if PAGE_COUNT.fullmatch(v.name) and v.name.lower() != "page" and int(v.value) > 1),
                None,
            )
            if pages is not None:
                config["pages_path"] = pages.text
        total = next((v for v in numbers if TOTAL.fullmatch(v.name) and int(v.value) > count), None)
        header = next((name for name, value in self._first.seen.response.headers
                       if re.fullmatch(r"x-total(?:-count|-results)?", name) and value.isdigit() and int(value) > count), None)  # fmt: skip
        if total is not None:
            config["total_path"] = total.text
        elif header is not None and paging.config["type"] != "link":
            config["total_header"] = header_name(header)
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

    def _empty(self) -> Paging | None:
        found = self._candidates.empty()
        return None if found is None else Paging(found[0], False, found[1])
