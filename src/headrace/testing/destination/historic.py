"""scd2: a version for each change, valid from the time of the page that showed it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from headrace.core.contracts import Session
from headrace.core.tables import Receipt, TableSpec
from headrace.core.types import ColumnType

from .build import SECOND, START, Page, Writer, page, table
from .read import rows
from .target import DestinationTests

PRICES = table("prices", "scd2", {"id": "int", "price": "string"}, key=("id",))
SIGNED = table("signed", "scd2", {"id": "int", "price": "string", "url": "string"}, key=("id",), hash_without=frozenset({"url"}))  # fmt: skip


def second(number: int) -> datetime:
    return datetime.fromtimestamp(START // SECOND + number, UTC)


def versions(session: Session, spec: TableSpec = PRICES) -> list[tuple[Any, ...]]:
    """(id, price, valid from, valid to) in seconds after START, in order of key and time."""
    found = rows(
        session, spec.name, {"id": "int", "price": "string", "valid_from": "timestamp", "valid_to": "timestamp"}
    )

    def seconds(moment: datetime | None) -> float | None:
        return None if moment is None else (moment - second(0)).total_seconds()

    plain = [(id, price, seconds(start), seconds(end)) for id, price, start, end in found]
    return sorted(plain, key=lambda row: (row[0], row[2]))


def priced(number: int, price: str, *, slice: str = "", at: int | None = None) -> Page:
    return page(
        number, PRICES, [{"id": 1, "price": price}], slice=slice, at=None if at is None else START + at * SECOND
    )


def ended(session: Session, run: int, ids: set[int], *, complete: bool = True) -> Receipt:
    """Run ``run`` at its 100th second: the ids at one price, then the end of the step ten seconds later."""
    writer = Writer(session, f"run-{run}").prepare(PRICES)
    at = START + run * 100 * SECOND
    writer.commit(page(1, PRICES, [{"id": n, "price": "9"} for n in sorted(ids)], run=writer.run, at=at))
    return writer.finish(PRICES, complete=complete, at=at + 10 * SECOND)


class Historic(DestinationTests):
    def test_a_change_closes_a_version_and_opens_the_next(self, session: Session) -> None:
        writer = Writer(session).prepare(PRICES)
        for number, price in ((1, "5"), (2, "5"), (3, "6"), (4, "5")):
            writer.commit(priced(number, price))
        assert versions(session) == [(1, "5", 1, 3), (1, "6", 3, 4), (1, "5", 4, None)]

    def test_the_same_in_one_group(self, session: Session) -> None:
        Writer(session).prepare(PRICES).commit(
            *(priced(number, price) for number, price in ((1, "5"), (2, "5"), (3, "6"), (4, "7")))
        )
        assert versions(session) == [(1, "5", 1, 3), (1, "6", 3, 4), (1, "7", 4, None)]

    def test_null_is_a_value(self, session: Session) -> None:
        writer = Writer(session).prepare(PRICES)
        writer.commit(page(1, PRICES, [{"id": 1}]))
        writer.commit(page(2, PRICES, [{"id": 1}]))
        writer.commit(page(3, PRICES, [{"id": 1, "price": ""}]))
        assert rows(session, "prices", ["id", "price"]) == [(1, ""), (1, None)]

    def test_columns_left_out_of_the_hash_make_no_version(self, session: Session) -> None:
        writer = Writer(session).prepare(SIGNED)
        for number, (price, url) in enumerate([("5", "u1"), ("5", "u2"), ("6", "u3")], start=1):
            writer.commit(page(number, SIGNED, [{"id": 1, "price": price, "url": url}]))
        assert versions(session, SIGNED) == [(1, "5", 1, 3), (1, "6", 3, None)]

    def test_a_table_that_grows_makes_no_version(self, session: Session) -> None:
        """A wider type or a new column changes how a row is kept, not what it says."""
        spec = table("prices", "scd2", {"id": "int", "price": None}, key=("id",), open_ended=True)
        writer = Writer(session).prepare(spec)
        writer.commit(page(1, spec, [{"id": 1, "price": 5}], types={"price": "int"}))
        wider: dict[str, ColumnType] = {"price": "string", "note": "string"}
        found = [{"id": 1, "price": "5"}, {"id": 2, "price": "free", "note": "!"}]
        changes: list[tuple[str, ColumnType | None, ColumnType]] = [
            ("price", "int", "string"),
            ("note", None, "string"),
        ]
        writer.commit(page(2, spec, found, types=wider, changes=changes))
        assert versions(session) == [(1, "5", 1, None), (2, "free", 2, None)]

    @pytest.mark.parametrize("together", [True, False], ids=["one group", "two groups"])
    def test_a_late_row_goes_into_history_not_on_top(self, session: Session, together: bool) -> None:
        writer = Writer(session).prepare(PRICES)
        pages = [priced(1, "7", slice="b", at=9), priced(1, "5", slice="a", at=1)]
        for one in [pages] if together else [[each] for each in pages]:
            writer.commit(*one)
        assert versions(session) == [(1, "5", 1, 9), (1, "7", 9, None)]

    def test_a_late_row_between_two_versions(self, session: Session) -> None:
        writer = Writer(session).prepare(PRICES)
        writer.commit(priced(1, "5", slice="b", at=1))
        writer.commit(priced(2, "7", slice="b", at=9))
        writer.commit(priced(1, "6", slice="a", at=4))
        assert versions(session) == [(1, "5", 1, 4), (1, "6", 4, 9), (1, "7", 9, None)]

    def test_a_late_row_that_says_what_held_then_changes_nothing(self, session: Session) -> None:
        writer = Writer(session).prepare(PRICES)
        writer.commit(priced(1, "5", slice="b", at=1))
        writer.commit(priced(2, "7", slice="b", at=9))
        writer.commit(priced(1, "5", slice="a", at=4))
        assert versions(session) == [(1, "5", 1, 9), (1, "7", 9, None)]

    def test_absence_closes_only_after_a_complete_run(self, session: Session) -> None:
        ended(session, 1, set(range(6)))
        ended(session, 2, set(range(5)), complete=False)
        assert all(row[3] is None for row in versions(session))
        ended(session, 3, set(range(5)))
        assert [row for row in versions(session) if row[3] is not None] == [(5, "9", 100, 310)]

    def test_a_row_that_comes_back_opens_a_version(self, session: Session) -> None:
        ended(session, 1, set(range(6)))
        ended(session, 2, set(range(5)))
        ended(session, 3, set(range(6)))
        assert [row for row in versions(session) if row[0] == 5] == [(5, "9", 100, 210), (5, "9", 300, None)]

    def test_more_than_the_share_gone_at_once_stays_open(self, session: Session) -> None:
        ended(session, 1, set(range(10)))
        receipt = ended(session, 2, set(range(5)))
        assert all(row[3] is None for row in versions(session))
        assert [(each.status, each.missing, each.known) for each in receipt.removals] == [("held", 5, 10)]
