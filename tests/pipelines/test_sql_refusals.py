"""SQL that a pipeline may not have: refused before the first request, or where a run finds it, with its place."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.pipelines.orders import TOTALS, pipeline

from headrace.core.errors import CommitFailed, PipelineFileError, UsageError
from headrace.destinations import from_url
from headrace.pipeline.check import check_draft
from headrace.pipeline.load import parse
from headrace.testing.api import Api


def test_what_a_destination_cannot_do_is_refused_before_the_first_request(anywhere: Any, api: Api) -> None:
    sql = "SELECT id,\n  APPROX_QUANTILES(amount, 2) AS q\nFROM orders GROUP BY id"
    file = pipeline(anywhere, api, {"sql_template": sql})
    with pytest.raises(PipelineFileError) as refused:
        anywhere.run(file)
    assert "steps.totals.sql_template: line 2 of the SQL: APPROX_QUANTILES (bigquery)" in str(refused.value)
    assert api.asked == []


def test_a_view_that_only_headrace_could_read_is_refused(anywhere: Any, api: Api) -> None:
    sql = "SELECT id, UPPER(customer) AS who FROM orders"
    file = pipeline(anywhere, api, {"sql_template": sql, "write": "view"})
    if not anywhere.url.startswith("sqlite"):
        anywhere.run(file)
        assert ("ANN",) in anywhere.rows("SELECT who FROM totals")
        return
    with pytest.raises(PipelineFileError, match="nobody else could read the view"):
        anywhere.run(file)
    assert api.asked == []


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT id,\n  amout FROM orders", "no table of this query has a column 'amout', did you mean 'amount'?"),
        ("SELECT id FROM\n  order", "unknown table 'order', did you mean 'orders'?"),
        ("SELECT id,\n  amount amount amount FROM orders", "syntax error (bigquery)"),
        ("SELECT id,\n  SUM(amount) FROM orders GROUP BY id", "this column of the result has no name"),
        ("SELECT id,\n  {run_id} AS r FROM orders", "{run_id} can only stand inside quotes"),
        ("SELECT id FROM orders;\n  DELETE FROM orders", "a SQL step is one SELECT, and this is several statements"),
        ("\n  INSERT INTO orders SELECT 1", "a SQL step is one SELECT, and this is INSERT"),
    ],
)
def test_errors_name_the_place(place: Any, api: Api, sql: str, message: str) -> None:
    file = pipeline(place, api, {"sql_file": "it.sql"})
    (place.folder / "it.sql").write_text(sql)
    with pytest.raises(PipelineFileError) as refused:
        place.run(file)
    line = 1 if "several" in message else 2
    assert f"steps.totals.sql_file: it.sql:{line}:" in str(refused.value)
    assert message in str(refused.value)
    assert api.asked == []


def test_errors_that_only_a_run_can_find(anywhere: Any, api: Api) -> None:
    """A table whose columns come from the answers; one of somebody else; a value that cannot be cast."""
    for sql, reads, where, message in (
        ("SELECT id,\n  custmer FROM flat", [], ":2:3", "'custmer', did you mean 'customer'?"),
        ("SELECT id FROM\n  elsewhere", ["elsewhere"], ":2:3", "the table 'elsewhere' cannot be read"),
        ("SELECT CAST(customer AS INT64) AS n FROM flat", [], "", "rolled back"),
    ):
        file = pipeline(anywhere, api, {"sql_template": sql, "reads": [*reads, "flat"]}, name="late")
        document = json.loads(file.read_text())
        document["steps"][0]["config"] |= {
            "destination": {"table": "flat"},
            "transform": {"flatten": True},
            "tables": [],
        }
        file.write_text(json.dumps(document))
        with pytest.raises((UsageError, CommitFailed)) as refused:
            anywhere.run(file)
        assert f"step totals{', sql_template' if where else ''}{where}" in refused.value.place
        assert message in str(refused.value)
        assert "Traceback" not in str(refused.value)


def test_sql_needs_its_library(place: Any, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "sqlglot" else real(name, *a))
    with pytest.raises(PipelineFileError, match=r"SQL steps need sqlglot: pip install 'headrace\[sql\]'"):
        place.run(pipeline(place, api, {"sql_template": TOTALS}))


def test_a_built_in_name_is_not_a_way_to_files(place: Any) -> None:
    with pytest.raises(PipelineFileError, match="cannot read"):
        parse(
            b'[{"step": "a", "processor": "generic.sql_transformer", "config": {"dialect": "duckdb", "sql_file": "../__init__.py"}}]',
            "vendor.yml",
        )


@pytest.mark.parametrize(("tables", "wrong"), [("[{table: staged, into: landed}]", True), ("[]", False)])
def test_loaded_tables_are_there(tables: str, wrong: bool) -> None:
    """Where a loader takes whatever the stage has, nobody knows which tables there are."""
    text = f"""
steps:
  - {{step: load, processor: generic.stage_loader, config: {{stage: "file:///stage", tables: {tables}}}}}
  - {{step: good, processor: generic.sql_transformer, config: {{dialect: bigquery, sql_template: SELECT x FROM landed}}}}
  - {{step: bad, processor: generic.sql_transformer, config: {{dialect: bigquery, sql_template: SELECT x FROM staged}}}}
"""
    found = check_draft(parse(text, "f.yml"), from_url("duckdb:///x").capabilities())
    assert [line.split(": ")[1] for line in found] == (["steps.bad.sql_template"] if wrong else [])
