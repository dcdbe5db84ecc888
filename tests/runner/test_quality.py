"""The quality gate: what is asked, what is said of it, and what a kill leaves behind."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from headrace.core import faults
from headrace.core.errors import PipelineFileError
from headrace.destinations import from_url
from headrace.runner.result import RunResult

ROWS: list[dict[str, Any]] = [
    {
        "id": 1,
        "email": "ann@example.org",
        "kind": "film",
        "paid": True,
        "price": 1.5,
        "at": "2026-01-01T00:00:00Z",
        "shop": 1,
    },
    {
        "id": 2,
        "email": "bob@example.org",
        "kind": "film",
        "paid": False,
        "price": 2.5,
        "at": "2026-01-02T00:00:00Z",
        "shop": 2,
    },
    {"id": 3, "email": "ann@example.org", "kind": "opera", "paid": None, "price": 2.5, "at": None, "shop": 9},
    {
        "id": 4,
        "email": None,
        "kind": None,
        "paid": True,
        "price": None,
        "at": "2026-01-03T12:00:00+01:00",
        "shop": None,
    },
]
SHOPS = [{"id": "1"}, {"id": "2"}]
COLUMNS = {
    "id": "id", "email": {"path": "email", "sensitive": True}, "kind": "kind", "paid": "paid", "price": "price",
    "at": {"path": "at", "type": "timestamp"}, "never": "never", "shop": "shop",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _answers(api: Any) -> None:
    api.answer = lambda path, query: {"data": ROWS if path == "/items" else SHOPS}


def extract(place: Any, name: str, columns: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "step": name, "processor": "generic.api_extractor",
        "config": {"base_url": place.api.url, "url": f"/{name}", "pagination": {"type": "none"},
                   "rate_limit": {"requests_per_second": 10_000, "max_retries": 0},
                   "tables": [{"table": name, "key": ["id"], "columns": columns}]},
    }  # fmt: skip


def gate(place: Any, *checks: Mapping[str, Any], **config: Any) -> Path:
    steps = [
        extract(place, "items", COLUMNS),
        extract(place, "shops", {"id": {"path": "id", "type": "string"}}),
        {"step": "gate", "processor": "generic.quality_checks", "config": {"checks": list(checks), **config}},
        extract(place, "late", {"id": {"path": "id", "type": "string"}}),
    ]
    path: Path = place.folder / "gated.yml"
    path.write_text(json.dumps({"pipeline_id": "gated", "steps": steps}))
    return path


def rows(place: Any, sql: str) -> list[dict[str, Any]]:
    with from_url(place.url).open(read_only=True) as session:
        return [row for batch in session.query(sql) for row in batch.to_pylist()]


def asked(place: Any, *checks: Mapping[str, Any], **config: Any) -> dict[str, tuple[bool, float | None, float | None]]:
    result: RunResult = place.run(gate(place, *checks, **config))
    return {check.check: (check.passed, check.result, check.threshold) for check in result.checks}


PASS_AND_FAIL: Sequence[tuple[dict[str, Any], bool, float | None, float | None]] = [
    ({"type": "not_null", "column": "id"}, True, 0, 0),
    ({"type": "not_null", "column": "email"}, False, 1, 0),
    ({"type": "not_null", "column": ["kind", "at"]}, False, 2, 0),
    ({"type": "not_null", "column": ["kind", "at"], "max_failing": 2}, True, 2, 2),
    ({"type": "unique", "column": "id"}, True, 0, 0),
    ({"type": "unique", "column": "price"}, False, 1, 0),
    ({"type": "unique", "column": ["kind", "price"]}, True, 0, 0),
    ({"type": "row_count"}, True, 4, 1),
    ({"type": "row_count", "min": 5}, False, 4, 5),
    ({"type": "row_count", "max": 3}, False, 4, 3),
    ({"type": "accepted_values", "column": "kind", "values": ["film"]}, False, 1, 0),
    ({"type": "accepted_values", "column": "kind", "values": ["film", "opera"]}, True, 0, 0),
    ({"type": "accepted_values", "column": "paid", "values": [True]}, False, 1, 0),
    ({"type": "accepted_values", "column": "price", "values": [2.5, 7]}, False, 1, 0),
    ({"type": "accepted_values", "column": "id", "values": [1, 2, 3, 4]}, True, 0, 0),
    ({"type": "relation", "column": "shop", "to": {"table": "shops", "column": "id"}}, False, 1, 0),
    ({"type": "relation", "column": "id", "to": {"table": "items", "column": "id"}}, True, 0, 0),
    ({"type": "sql", "sql": "SELECT id FROM items WHERE price > 2;"}, False, 2, 0),
    ({"type": "sql", "sql": "SELECT id FROM items WHERE kind = '{run_id}'"}, True, 0, 0),
    ({"type": "sql", "sql": "SELECT avg(price) FROM items", "max": 3}, True, 6.5 / 3, 3),
    ({"type": "sql", "sql": "SELECT avg(price) FROM items", "min": 3}, False, 6.5 / 3, 3),
    ({"type": "sql", "sql": "SELECT max(price) FROM items WHERE id > 9", "max": 3}, False, None, 3),
    ({"type": "sql", "sql": "SELECT max(kind) FROM (SELECT 'NaN' AS kind) q", "max": 3}, False, None, 3),
]


def test_every_kind_on_every_destination(anywhere: Any) -> None:
    """One list of checks, the same answers everywhere."""
    checks = [
        {**({} if check["type"] == "sql" else {"table": "items"}), **check, "name": f"c{n}", "severity": "warn"}
        for n, (check, *_) in enumerate(PASS_AND_FAIL)
    ]
    found = asked(anywhere, *checks)
    expected = {f"c{n}": (passed, result, bound) for n, (_, passed, result, bound) in enumerate(PASS_AND_FAIL)}
    assert {k: (p, pytest.approx(r), b) for k, (p, r, b) in expected.items()} == found
    (stored,) = rows(anywhere, "SELECT * FROM DQ_CHECK_RESULTS WHERE check_name = 'c1'")
    assert {name.lower() for name in stored} == {
        "check_id", "check_name", "check_type", "table_name", "check_sql", "result_value", "threshold_value", "passed",
        "error_message", "executed_at", "batch_id",
    }  # fmt: skip
    assert (stored["check_type"], stored["table_name"], bool(stored["passed"])) == ("not_null", "items", False)
    assert stored["error_message"] == "1 rows of items have no email"
    assert "IS NULL" in stored["check_sql"]


def test_freshness_is_measured_from_now(anywhere: Any) -> None:
    fresh = {"type": "freshness", "table": "items", "column": "at", "severity": "warn"}
    never = {**fresh, "column": "never", "max_age": "1h"}
    found = asked(anywhere, {**fresh, "max_age": "1h"}, {**fresh, "name": "ever", "max_age": "999w"}, never)
    assert found["ever"][0]
    passed, age, allowed = found["freshness_items_at"]
    assert (passed, allowed) == (False, 3600)
    since = datetime.now(UTC) - datetime(2026, 1, 3, 11, tzinfo=UTC)
    assert age == pytest.approx(since.total_seconds(), abs=600)
    assert found["freshness_items_never"] == (False, None, 3600)


def test_the_gate_says_what_where_and_five_rows(place: Any, api: Any) -> None:
    api.answer = lambda path, query: {"data": [{"id": n, "kind": None, "email": f"m{n}@example.org"} for n in range(9)]}
    file = gate(
        place, {"type": "not_null", "table": "items", "column": "kind"}, {"type": "row_count", "table": "items"}
    )
    result = place.run(file, run_id="r")
    assert (result.status, result.exit_code) == ("failed", 1)
    lines = result.error.splitlines()
    assert lines[:2] == ["1 of 2 quality checks failed", "not_null_items_kind: 9 rows of items have no kind"]
    assert [json.loads(line)["id"] for line in lines[2:7]] == [0, 1, 2, 3, 4]
    assert lines[7] == "all results are in DQ_CHECK_RESULTS (batch_id r)"
    assert "@example.org" not in result.error
    assert json.loads(lines[2])["email"] == "***"
    assert place.column("SELECT count(*) FROM DQ_CHECK_RESULTS") == [2]
    with pytest.raises(Exception, match="late"):
        place.column("SELECT * FROM late")
    as_json = result.as_dict()
    assert [(c["check"], c["passed"]) for c in as_json["checks"]] == [
        ("not_null_items_kind", False),
        ("row_count_items", True),
    ]


def test_a_warning_lets_the_run_go_on(place: Any) -> None:
    result = place.run(gate(place, {"type": "unique", "table": "items", "column": "email", "severity": "warn"}))
    assert (result.status, result.exit_code) == ("done", 0)
    assert not result.checks[0].passed
    assert place.column("SELECT count(*) FROM late") == [2]


def test_what_is_sensitive_is_nowhere(anywhere: Any, capfd: pytest.CaptureFixture[str]) -> None:
    from headrace.runner.telemetry.log import LogSink

    file = gate(
        anywhere,
        {"type": "unique", "table": "items", "column": "email"},
        {"type": "accepted_values", "table": "items", "column": "email", "values": ["x"]},
        {"type": "sql", "name": "cast", "sql": "SELECT id FROM items WHERE CAST(email AS INTEGER) > 5", "severity": "warn"},
        {"type": "sql", "name": "renamed", "sql": "SELECT email AS mail, Email FROM items", "severity": "warn"},
        keep={"rows": 50}, sensitive=["mail"],
    )  # fmt: skip
    result = anywhere.run(file, run_id="r", sinks=[LogSink("json", 2)])
    assert result.status == "failed"
    kept = rows(anywhere, "SELECT * FROM DQ_FAILING_ROWS ORDER BY check_name, row_number")
    assert len(kept) >= 2 + 3
    shown = [
        json.dumps(result.as_dict()), *map(str, kept), *map(str, rows(anywhere, "SELECT * FROM DQ_CHECK_RESULTS")),
        *map(str, rows(anywhere, "SELECT memo FROM headrace_checkpoints")),
        *map(str, rows(anywhere, "SELECT error FROM headrace_runs")), *capfd.readouterr(),
    ]  # fmt: skip
    assert [text for text in shown if "example.org" in text] == []
    assert {json.loads(row["row"])["email"] for row in kept if row["check_name"] == "unique_items_email"} == {"***"}


def test_a_query_that_names_what_is_sensitive_shows_it_under_no_other_name(anywhere: Any) -> None:
    sql = "SELECT id, email AS contact, lower(email), upper(email) u, kind AS what FROM items WHERE email IS NOT NULL"
    result = anywhere.run(gate(anywhere, {"type": "sql", "name": "renamed", "sql": sql, "severity": "warn"}))
    shown = [json.loads(row) for row in result.checks[0].examples]
    assert shown
    assert all(row["id"] in (1, 2, 3, 4) for row in shown)
    assert {value for row in shown for name, value in row.items() if name != "id"} == {"***"}


def test_what_one_pipeline_marks_another_hides(place: Any) -> None:
    place.run(gate(place, {"type": "row_count", "table": "items"}))
    check = {"type": "not_null", "table": "items", "column": "at"}
    file = place.folder / "other.yml"
    step = {"step": "gate", "processor": "generic.quality_checks", "config": {"checks": [check]}}
    file.write_text(json.dumps({"pipeline_id": "other", "steps": [step]}))
    result = place.run(file)
    assert [json.loads(row)["email"] for row in result.checks[0].examples] == ["***"]


def test_failing_rows_are_kept_alike_everywhere(anywhere: Any) -> None:
    file = gate(anywhere, {"type": "not_null", "table": "items", "column": "at"}, keep={"table": "kept", "rows": 3})
    assert anywhere.run(file, run_id="r").status == "failed"
    (kept,) = rows(anywhere, "SELECT * FROM kept")
    assert json.loads(kept["row"]) == {
        "id": 3, "email": "***", "kind": "opera", "paid": None, "price": 2.5, "at": None, "never": None, "shop": 9,
    }  # fmt: skip
    assert (kept["row_number"], kept["table_name"], kept["batch_id"]) == (1, "items", "r")


def test_a_count_is_compared_with_the_last_complete_run(place: Any, api: Any) -> None:
    def of(count: int, **more: Any) -> Any:
        data = [{"id": n} for n in range(count)]
        api.answer = lambda path, query: {"data": data}
        check = {"type": "row_count", "table": "seen", "max_drop": 0.2, "max_rise": 0.5}
        steps = [extract(place, "seen", {"id": "id"}),
                 {"step": "gate", "processor": "generic.quality_checks", "config": {"checks": [check]}}]  # fmt: skip
        steps[0]["config"]["tables"][0]["write"] = "replace"
        file = place.folder / "counted.yml"
        file.write_text(json.dumps({"pipeline_id": "counted", "steps": steps}))
        return place.run(file, **more)

    assert of(10).status == "done"
    assert of(8).status == "done"
    failed = of(13)
    assert failed.status == "failed"
    assert "seen has 13 rows, more than 12 (8 after the last complete run)" in failed.error
    assert of(9).status == "done", "a run that failed is not what is compared with"


@pytest.mark.parametrize(
    ("check", "said"),
    [
        ({"type": "not_null", "table": "items", "column": "emial"}, "no column 'emial', did you mean 'email'"),
        ({"type": "not_null", "table": "nothing", "column": "id"}, "nothing"),
        (
            {"type": "accepted_values", "table": "items", "column": "id", "values": ["1"]},
            "of type int, which '1' is not",
        ),
        ({"type": "sql", "name": "x", "sql": "SELEC 1"}, "could not be asked"),
        ({"type": "sql", "name": "x", "sql": "DELETE FROM items"}, "could not be asked"),
        ({"type": "freshness", "table": "items", "column": "kind", "max_age": "1h"}, "holds no time"),
    ],
)
def test_what_cannot_be_asked_fails_whatever_its_severity(anywhere: Any, check: dict[str, Any], said: str) -> None:
    result = anywhere.run(gate(anywhere, {**check, "severity": "warn"}))
    assert result.status == "failed"
    assert said in result.error
    assert rows(anywhere, "SELECT count(*) AS n FROM items")[0]["n"] == 4


@pytest.mark.parametrize("point", ["commit.before_commit", "commit.after_commit"])
@pytest.mark.parametrize("column", ["id", "kind"])
def test_a_kill_leaves_all_or_nothing_and_is_made_good_once(anywhere: Any, column: str, point: str) -> None:
    file = gate(anywhere, {"type": "not_null", "table": "items", "column": column}, keep={})
    step = {"now": ""}

    class Watch:
        def emit(self, event: Any) -> None:
            step["now"] = getattr(event, "step", step["now"])

    class Killed(BaseException):
        pass

    def kill(name: str) -> None:
        if name == point and step["now"] == "gate":
            raise Killed

    def record(*_: Any) -> None:
        """A killed process says nothing."""

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("headrace.runner.engine._Run.record_failure", _silent)
        faults.install(kill)
        try:
            with pytest.raises(Killed):
                anywhere.run(file, run_id="r", sinks=[Watch()])
        finally:
            faults.install(None)
    there = rows(anywhere, "SELECT count(*) AS n FROM DQ_CHECK_RESULTS")[0]["n"]
    assert there == (point == "commit.after_commit")
    expected = "done" if column == "id" else "failed"
    assert anywhere.resume("r").status == expected
    assert rows(anywhere, "SELECT count(*) AS n FROM DQ_CHECK_RESULTS")[0]["n"] == 1
    assert rows(anywhere, "SELECT count(*) AS n FROM DQ_FAILING_ROWS")[0]["n"] == (column == "kind")
    assert anywhere.resume("r").status == expected
    again = 1 if column == "id" else 2
    assert rows(anywhere, "SELECT count(*) AS n FROM DQ_CHECK_RESULTS")[0]["n"] == again, (
        "an orderly failure is asked anew"
    )


async def _silent(self: Any, problem: BaseException) -> None:
    pass


def test_results_do_not_go_into_a_table_of_the_pipeline(place: Any) -> None:
    file = gate(place, {"type": "row_count", "table": "items"}, results="Shops")
    with pytest.raises(PipelineFileError, match="the table of results 'Shops' would meet the table 'shops'"):
        place.run(file)


def test_a_gate_that_failed_opens_once_the_data_is_right(place: Any) -> None:
    file = gate(place, {"type": "not_null", "table": "items", "column": "email"})
    assert place.run(file, run_id="r").status == "failed"
    with from_url(place.url).open() as session:
        session.db.run("UPDATE items SET email = 'x' WHERE email IS NULL")  # type: ignore[attr-defined]  # its own connection
    assert place.resume("r").status == "done"
    assert place.column("SELECT count(*) FROM late") == [2]
    assert place.column("SELECT passed FROM DQ_CHECK_RESULTS ORDER BY executed_at") == [False, True]


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"checks": [{"type": "uniqe", "table": "t", "column": "c"}]}, "uniqe"),
        (
            {"checks": [{"type": "unique", "table": "t", "column": "c"}] * 2},
            "more than one check is called 'unique_t_c'",
        ),
        ({"checks": [{"type": "row_count", "table": "t", "min": 5, "max": 4}]}, "min 5 is more than max 4"),
        (
            {"checks": [{"type": "relation", "table": "t", "column": ["a", "b"], "to": {"table": "o", "column": "c"}}]},
            "2 columns",
        ),
        ({"checks": []}, "checks"),
        ({"checks": [{"type": "sql", "sql": "SELECT 1"}]}, "name"),
        ({"checks": [{"type": "row_count", "table": "t"}], "results": "x", "keep": {"table": "X"}}, "one table"),
    ],
)
def test_a_wrong_check_is_refused_with_its_place(place: Any, config: dict[str, Any], said: str) -> None:
    file = place.folder / "wrong.yml"
    file.write_text(
        json.dumps(
            {
                "pipeline_id": "wrong",
                "steps": [{"step": "gate", "processor": "generic.quality_checks", "config": config}],
            }
        )
    )
    with pytest.raises(PipelineFileError, match=said):
        place.run(file)
