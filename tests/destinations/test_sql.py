"""Statements and names."""

from __future__ import annotations

import pytest

from headrace.core.tables import TableSpec
from headrace.destinations._layout import dump_spec, load_spec, seen_column
from headrace.destinations._sql import fit, quote, statements
from headrace.destinations.postgresql import driver_form


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("a = ? AND b = ?", "a = %s AND b = %s"),
        ("""'?' "?" '%' E'\\'?' $x$?$x$ ?""", """'?' "?" '%%' E'\\'?' $x$?$x$ %s"""),
        ("-- why?\n? /* ? */ j ?? 'k'", "-- why?\n%s /* ? */ j ? 'k'"),
    ],
)
def test_placeholders_in_the_driver_s_form(ours: str, theirs: str) -> None:
    assert driver_form(ours) == theirs


def test_every_dialect_has_the_same_statements() -> None:
    everywhere = {name: set(statements(name)) for name in ("duckdb", "sqlite", "postgresql")}
    shared = set.intersection(*everywhere.values())
    assert {name: sorted(found - shared) for name, found in everywhere.items()} == {
        "duckdb": [
            "add_sightings", "count_lost", "create_seen_view", "decimal_as_text", "drop_moves", "move_seen", "move_sightings",
            "new_sighting", "raw_any", "raw_end", "raw_tables", "result_columns", "seen_tables", "sighting", "split_seen",
            "strict_seen", "timestamp_as_text", "user_views",
        ],
        "sqlite": [],
        "postgresql": [
            "checkpoint_probe", "create_dependent", "decimal_as_text", "dependent_views", "drop_dependent",
            "lease_lock", "lease_unlock", "lock_schema", "lock_table", "lock_types", "raw_tables", "result_columns",
            "timestamp_as_text", "view_exists",
        ],
    }  # fmt: skip


def test_a_quote_in_a_name_is_doubled() -> None:
    assert quote('a"; DROP') == '"a""; DROP"'


def test_a_name_that_is_too_long_stays_distinct() -> None:
    long = "é" * 40
    assert fit("short", 63) == "short"
    assert len(fit(long + "a", 63).encode()) <= 63
    assert fit(long + "a", 63) != fit(long + "b", 63)


def test_a_key_named_like_an_engine_column() -> None:
    names = ["run_id", "run_id_", "id", "scope"]
    assert len({*map(seen_column, names)}) == 4
    assert not {*map(seen_column, names)} & {"run_id", "scope"}


def test_a_declaration_survives_storing() -> None:
    spec = TableSpec("t", "sync", {"a": "int", "b": None}, key=("a",), hash_without=frozenset({"b"}),
                     on_change={"": {"n": 1}}, hidden=("h",), removed_share=0.5)  # fmt: skip
    assert load_spec(dump_spec(spec)) == spec
