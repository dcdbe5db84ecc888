"""SQL steps after a replay: what they overwrite is made anew, what they add to stays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.pipelines.orders import ORDERS, TOTALS, pipeline

from headrace.cli.main import cli
from headrace.core.errors import CommitFailed
from headrace.runner.replay import replay
from headrace.testing.api import Api


def replayed(place: Any, api: Api, bonus: float) -> Path:
    file = pipeline(
        place,
        api,
        {
            "sql_template": f"SELECT customer, SUM(amount) + {bonus} AS total, '{{run_id}}' AS run FROM orders GROUP BY customer"
        },
        {"step": "log", "sql_template": "SELECT id, amount FROM orders", "write": "append"},
        {"step": "top", "sql_template": "SELECT MAX(total) AS best FROM totals", "write": "view"},
        {"step": "other", "sql_template": "SELECT '{n}' AS n, '{steps.crawl.rows_extracted}' AS r"},
    )
    document = json.loads(file.read_text())
    document["inputs"] = {"n": {"type": "int", "default": 1}}
    if bonus:  # another mapping: every amount is kept as a text, and doubled on its way
        document["steps"][0]["config"]["tables"][0]["columns"]["amount"]["path"] = "double"
    file.write_text(json.dumps(document))
    return file


def test_replay_makes_anew_what_is_overwritten(anywhere: Any, serve: Any) -> None:
    orders = [{**order, "double": 2 * order["amount"]} for order in ORDERS]
    api = serve(lambda path, query: (json.dumps({"data": orders}).encode(), 200, {}))
    for run in ("one", "two"):
        anywhere.run(replayed(anywhere, api, 0.0), run_id=run)
    assert anywhere.one('SELECT best FROM "top"') == 20.0
    file = replayed(anywhere, api, 1.0)
    plan = replay(str(file), destination=anywhere.url, plan=True)
    assert (list(plan.anew), list(plan.stays), plan.changes) == (["totals", "top", "other"], ["log"], True)
    result = replay(str(file), destination=anywhere.url)
    assert result.tables == {"orders": 3, "totals": 2, "top": 1, "other": 1}
    assert list(result.stays) == ["log"]
    assert sorted(anywhere.rows("SELECT customer, total, run FROM totals")) == [
        ("ann", 22.5, "two"),
        ("bob", 41.0, "two"),
    ]
    assert anywhere.one('SELECT best FROM "top"') == 41.0
    assert anywhere.rows("SELECT n, r FROM other") == [(1, 3)]
    assert anywhere.one("SELECT count(*) FROM log") == 6
    assert anywhere.one("SELECT sum(amount) FROM log") == 2 * 30.75
    assert len(api.asked) == 2
    told = CliRunner().invoke(cli, ["replay", str(file), "--destination", anywhere.url]).output
    assert "stays as it is: a SQL step adds to it in each run" in told
    only = replay("orders", destination=anywhere.url)
    assert set(only.tables) == {"orders", "totals", "top"}


def test_replay_says_which_sql_does_not_fit_any_more(place: Any, api: Api) -> None:
    place.run(pipeline(place, api, {"sql_template": TOTALS}))
    file = pipeline(place, api, {"sql_template": "SELECT customer, 1 / (id - 1) AS x FROM orders"})
    with pytest.raises(CommitFailed) as refused:
        replay(str(file), destination=place.url)
    assert refused.value.place == "step totals"
    assert "this one is as it was" in str(refused.value)
    assert place.one("SELECT count(*) FROM totals") == 2
