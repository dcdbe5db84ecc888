"""What answers may change about a table: taken in, an error, or only the record is kept aside."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

import headrace
from headrace.core.errors import ContractBroken, TooManyRejected, UsageError

PAGES = {
    "1": [{"id": 1, "n": 1}, {"id": 2, "n": 2}],
    "2": [{"id": 3, "n": 3}],
    "3": [{"id": 4, "n": 4}, {"id": 5, "n": "five", "new": True}],
    "4": [{"id": 6, "n": 6}],
}
PAGED = {"url": "/x", "pagination": {"type": "page"}}
DECLARED = {"table": "t", "key": ["id"], "columns": {"id": "id", "n": "n"}}
OPEN = {"table": "t"}


@pytest.fixture(autouse=True)
def _pages(api: Any) -> None:
    api.answer = lambda path, query: {"data": PAGES.get(query["page"], [])}


def configured(table: Mapping[str, Any], contract: Any, **more: Any) -> dict[str, Any]:
    return {**PAGED, "tables": [{**table, "contract": contract}], **more}


def ids(place: Any) -> list[int]:
    return place.column("SELECT id FROM t ORDER BY id")


def kept_aside(place: Any) -> list[tuple[Any, ...]]:
    columns = ("_record", "column_name", "reason", "raw")
    found = [place.column(f"SELECT {column} FROM t_rejected ORDER BY _page, _record") for column in columns]
    return list(zip(*found, strict=True))


@pytest.mark.parametrize(
    ("table", "contract", "column", "word"),
    [
        (DECLARED, "freeze", "n", "types: freeze"),
        (DECLARED, {"types": "freeze"}, "n", "types: freeze"),
        (OPEN, {"types": "freeze"}, "n", "types: freeze"),
        (OPEN, {"columns": "freeze", "types": "evolve"}, "new", "columns: freeze"),
    ],
)
def test_freeze_ends_the_run_before_the_page_and_keeps_those_before_it(
    place: Any, table: Any, contract: Any, column: str, word: str
) -> None:
    file = place.file(configured(table, contract))
    with pytest.raises(ContractBroken) as caught:
        place.run(file, run_id="r")
    text = str(caught.value)
    assert text.startswith("step a, page 3: table 't', record 1: column '" + column)
    assert word in text
    assert "--adopt" in text
    assert ids(place) == [1, 2, 3], "pages 1 and 2 are whole, page 3 has not begun"
    assert place.column("SELECT max(page_number) FROM a_raw_pages") == [2]
    with pytest.raises(ContractBroken):
        place.resume("r")
    assert ids(place) == [1, 2, 3]
    place.file(configured(table, "evolve"))
    assert place.run(file, run_id="r", adopt=True).status == "done"
    assert ids(place) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("table", [DECLARED, OPEN])
def test_quarantine_keeps_the_record_with_its_reason(place: Any, table: Any) -> None:
    file = place.file(configured(table, "quarantine"))
    assert place.run(file, run_id="r").status == "done"
    assert ids(place) == [1, 2, 3, 4, 6]
    ((record, column, reason, raw),) = kept_aside(place)
    assert (record, column) == (1, "n" if table is DECLARED else column)
    assert "quarantine" in reason
    assert json.loads(bytes(raw)) == PAGES["3"][1]
    before = kept_aside(place)
    headrace.replay("made", destination=place.url)
    assert ids(place) == [1, 2, 3, 4, 6]
    assert kept_aside(place) == before


def test_one_part_may_be_open_and_the_other_closed(place: Any) -> None:
    file = place.file(configured(OPEN, {"columns": "quarantine"}))
    assert place.run(file).status == "done"
    assert ids(place) == [1, 2, 3, 4, 6]
    file = place.file(configured({"table": "u"}, {"types": "quarantine"}), name="other")
    place.run(file)
    assert place.column("SELECT id FROM u ORDER BY id") == [1, 2, 3, 4, 6]


def test_a_quarantine_replays_what_came_in_before_it(place: Any, api: Any) -> None:
    """The first page alone would make the column an integer, and the others' values unfit."""
    place.run(place.file(configured(DECLARED, "evolve")))
    file = place.file(configured(DECLARED, "quarantine"))
    api.answer = lambda path, query: {"data": [{"id": 7, "n": "seven"}] if query["page"] == "1" else []}
    place.run(file)
    headrace.replay(str(file), destination=place.url)
    assert ids(place) == [1, 2, 3, 4, 5, 6, 7]
    assert kept_aside(place) == []


def test_a_freeze_replays_what_came_in_before_it(place: Any) -> None:
    file = place.file(configured(OPEN, "evolve"))
    place.run(file)
    place.file(configured(OPEN, "freeze"))
    headrace.replay(str(file), destination=place.url)
    assert ids(place) == [1, 2, 3, 4, 5, 6]
    assert place.column("SELECT n FROM t ORDER BY id") == ["1", "2", "3", "4", "five", "6"]


def test_a_new_table_is_refused_before_the_first_request(anywhere: Any, api: Any) -> None:
    file = anywhere.file(configured(DECLARED, {"tables": "freeze"}))
    with pytest.raises(UsageError, match=r"table 't' does not exist, and its contract \(tables: freeze\)"):
        anywhere.run(file)
    assert api.asked == []
    anywhere.file(configured(DECLARED, "evolve"))
    assert anywhere.run(file).status == "done"
    anywhere.file(configured(DECLARED, {"tables": "freeze"}))
    assert anywhere.run(file).status == "done"


def test_the_records_of_a_new_table_are_kept_aside(anywhere: Any) -> None:
    file = anywhere.file(configured(DECLARED, {"tables": "quarantine"}))
    for run in ("first", "second"):
        assert anywhere.run(file, run_id=run).status == "done"
    assert len(kept_aside(anywhere)) == 12
    assert all("does not exist" in reason for _, _, reason, _ in kept_aside(anywhere))
    with pytest.raises(UsageError):
        ids(anywhere)
    headrace.replay("made", destination=anywhere.url)
    assert len(kept_aside(anywhere)) == 12
    anywhere.file(configured(DECLARED, "evolve"))
    headrace.replay(str(file), destination=anywhere.url)
    assert ids(anywhere) == [1, 2, 3, 4, 5, 6], "nothing was lost"
    assert kept_aside(anywhere) == []


def test_too_many_kept_aside_fail_the_run(place: Any, api: Any) -> None:
    api.answer = lambda path, query: {"data": [{"id": n, "n": n} for n in range(150)] if query["page"] == "1" else []}
    file = place.file(configured(DECLARED, {"tables": "quarantine"}))
    with pytest.raises(TooManyRejected, match="150 of 150"):
        place.run(file)
    place.file(configured(DECLARED, {"tables": "quarantine"}, max_rejected=1))
    assert place.run(file).status == "done"
