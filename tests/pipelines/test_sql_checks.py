"""SQL of quality checks in the dialect of its author."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.pipelines.orders import TOTALS, pipeline

from headrace.core.errors import PipelineFileError
from headrace.testing.api import Api


def checked(place: Any, api: Api, *checks: Mapping[str, Any]) -> Path:
    file = pipeline(place, api, {"sql_template": TOTALS})
    document = json.loads(file.read_text())
    gate = {"step": "gate", "processor": "generic.quality_checks", "config": {"checks": checks}}
    file.write_text(json.dumps({**document, "steps": [*document["steps"], gate]}))
    return file


def test_a_check_may_be_in_another_dialect(anywhere: Any, api: Api) -> None:
    file = checked(
        anywhere,
        api,
        {"type": "sql", "name": "share", "dialect": "bigquery", "sql": "SELECT SAFE_DIVIDE(COUNTIF(amount > 1), COUNT(*)) AS s FROM orders", "min": 0.6},
        {"type": "sql", "name": "late", "dialect": "bigquery", "sql": "SELECT id FROM orders WHERE DATE(at) > '{date}';"},
        {"type": "sql", "name": "who", "dialect": "snowflake", "sql": "SELECT customer FROM totals WHERE NOT STARTSWITH(UPPER(customer), 'A')", "severity": "warn"},
    )  # fmt: skip
    result = anywhere.run(file)
    assert result.status == "done"
    found = dict(anywhere.rows("SELECT check_name, result_value FROM DQ_CHECK_RESULTS"))
    assert found == {"share": pytest.approx(2 / 3), "late": 0, "who": 1}


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT id FROM orders TABLESAMPLE SYSTEM (5 PERCENT)", "SAMPLE (bigquery)"),
        ("SELECT ida FROM orders", "no table of this query has a column 'ida', did you mean 'id'?"),
        ("DELETE FROM orders WHERE TRUE", "a SQL step is one SELECT, and this is DELETE"),
    ],
)
def test_a_check_is_checked(place: Any, api: Api, sql: str, message: str) -> None:
    with pytest.raises(PipelineFileError) as refused:
        place.run(checked(place, api, {"type": "sql", "name": "x", "dialect": "bigquery", "sql": sql}))
    assert "steps.gate.checks.0.sql" in str(refused.value)
    assert message in str(refused.value)
    assert api.asked == []
