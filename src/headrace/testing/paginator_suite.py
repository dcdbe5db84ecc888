"""The contract of a paginator: subclass :class:`PaginatorSuite` in your tests.

::

    class TestKeyset(PaginatorSuite):
        def paginator(self) -> Paginator:
            return Keyset(type="keyset", param="after_id")

        def answer(self, request: Request, records: list[Record]) -> Response: ...  # plays the API
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import pytest
from pydantic import ValidationError

from headrace.core.contracts import Answer, Cursor, Paginator
from headrace.core.http import Request, Response
from headrace.core.paths import parse
from headrace.sources.decode import by_content_type, count, split

Record: TypeAlias = dict[str, Any]
Api: TypeAlias = Callable[[Request], Response]
Step: TypeAlias = tuple[Cursor, list[Record], Cursor]
"""A page's position, its records, and the position after it."""


def walk(
    paginator: Paginator, api: Api, request: Request, *, data_path: str = "items", at: Cursor = None, done: int = 0,
    seen: int = 0, pages: int = 1000,
) -> Iterator[Step]:  # fmt: skip
    """Crawl ``api`` as the engine does, from the position ``at`` after ``done`` pages and ``seen`` records.

    Fails after ``pages`` pages. Cursors pass through JSON, as they do in a checkpoint.
    """
    position = at if done else paginator.start()
    for number in range(done + 1, done + pages + 1):
        response = api(paginator.apply(request, position))
        envelope = by_content_type(response).open(response, parse(data_path), paginator.wants())
        here = count(envelope.records)
        seen += here
        answer = Answer(response, envelope, here, number, seen)
        after = paginator.next(answer, position)
        yield position, [json.loads(text) for text in split(envelope.records)], after
        if after is None:
            return
        assert json.loads(json.dumps(after)) == after, "a cursor must be plain JSON"
        position = json.loads(json.dumps(after))
    raise AssertionError(f"no end after {pages} pages")


class PaginatorSuite(ABC):
    """What the crawl relies on. Give the paginator and an API of 23 records that speaks its language."""

    data_path = "items"
    request = Request("GET", "http://api.example/items", params=(("filter", "a b"),))

    @abstractmethod
    def paginator(self) -> Paginator:
        """The kind under test."""

    @abstractmethod
    def answer(self, request: Request, records: Sequence[Record]) -> Response:
        """The API's answer to ``request`` when it holds ``records``; pages of at most 5."""

    def _api(self, size: int) -> tuple[Api, list[Record]]:
        records = [{"id": number, "name": f"é {number}"} for number in range(1, size + 1)]
        return (lambda request: self.answer(request, records)), records

    def _crawl(self, size: int, **where: Any) -> tuple[list[Step], list[Record]]:
        api, records = self._api(size)
        return list(walk(self.paginator(), api, self.request, data_path=self.data_path, **where)), records

    @pytest.mark.parametrize("size", [1, 4, 5, 6, 10, 23])
    def test_every_record_once_and_in_order(self, size: int) -> None:
        steps, records = self._crawl(size)
        assert [record for _, page, _ in steps for record in page] == records

    def test_an_empty_api_ends_on_the_first_page(self) -> None:
        steps, _ = self._crawl(0)
        assert [page for _, page, _ in steps] == [[]]

    def test_the_end_is_none_and_nothing_else_is(self) -> None:
        steps, _ = self._crawl(23)
        assert [after is None for _, _, after in steps] == [False] * (len(steps) - 1) + [True]

    def test_a_crawl_resumes_at_every_checkpoint(self) -> None:
        steps, records = self._crawl(23)
        seen = 0
        for done, (_, page, after) in enumerate(steps[:-1], 1):
            seen += len(page)
            rest, _ = self._crawl(23, at=after, done=done, seen=seen)
            assert [record for _, page, _ in rest for record in page] == records[seen:]

    def test_a_guess_never_passes_over_records(self) -> None:
        """``ahead`` may be wrong, but where every page is full it must agree with ``next``."""
        paginator = self.paginator()
        steps, _ = self._crawl(20)
        for position, page, after in steps:
            guess = paginator.ahead(position)
            if guess is not None and after is not None and len(page) == 5:
                assert guess == after

    def test_apply_leaves_the_request_it_was_given(self) -> None:
        paginator = self.paginator()
        for position, _, _ in self._crawl(23)[0]:
            before = Request("GET", "http://api.example/items", params=(("filter", "a b"),))
            first, second = paginator.apply(before, position), paginator.apply(before, position)
            assert before == self.request
            assert first == second

    def test_a_value_is_not_encoded_twice(self) -> None:
        for position, _, _ in self._crawl(23)[0]:
            assert "%25" not in self.paginator().apply(self.request, position).full_url

    def test_it_is_frozen_and_its_configuration_is_all_there_is(self) -> None:
        paginator = self.paginator()
        again = type(paginator).model_validate(paginator.model_dump(by_alias=True, exclude_unset=True))
        assert again == paginator
        with pytest.raises(ValidationError):
            paginator.type = "other"  # type: ignore[attr-defined]  # every kind has one; the base does not say so
