"""Columns of flattened records: names that a database takes for one never meet."""

from __future__ import annotations

import itertools

import pytest

from headrace.mapping.naming import Names, check_folds


def names(known: tuple[str, ...] = (), reserved: frozenset[str] = frozenset()) -> Names:
    return Names(str, reserved, known)


@pytest.mark.parametrize("order", list(itertools.permutations(["id", "ID", "Id"])))
def test_fields_that_differ_in_case_get_columns_that_do_not(order: tuple[str, ...]) -> None:
    found = names()
    columns = [found.column(field) for field in order]
    assert columns[0] == order[0]
    assert len({column.casefold() for column in columns}) == 3


@pytest.mark.parametrize("first", ["id", "ID"])
def test_a_later_process_gives_the_same_columns(first: str) -> None:
    other = "ID" if first == "id" else "id"
    before = names()
    kept = {field: before.column(field) for field in (first, other)}
    after = names(known=tuple(kept.values()))
    assert {field: after.column(field) for field in (other, first)} == kept


def test_a_declared_column_keeps_its_name() -> None:
    found = names(reserved=frozenset({"id"}))
    assert found.column("ID") == "_ID"
    assert found.column("Run_ID") == "Run_ID"


def test_declared_columns_that_meet_are_refused() -> None:
    with pytest.raises(ValueError, match="'id' and 'ID'"):
        check_folds("things", ["id", "name", "ID"], str)
    check_folds("things", ["id", "id_2"], str)
