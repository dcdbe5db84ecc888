"""SQL steps of whole pipelines: the same rows everywhere, once, whatever happens to the run."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.pipelines.conftest import Noon
from tests.pipelines.orders import ORDERS, TOTALS, pipeline

from headrace.cli.main import cli
from headrace.core.errors import CommitFailed, InputError, PipelineFileError
from headrace.destinations import from_url
from headrace.inspect.plan import make_run_plan
from headrace.inspect.why import why
from headrace.runner.api import prepare
from headrace.testing.api import Api
from headrace.testing.crash import At, Crawl, attempt

SEED = Path(__file__).parents[1] / "pipeline" / "seed" / "full_pipeline.yml"


def moment(value: Any) -> datetime:
    """A time as any destination gives it."""
    return value.astimezone(UTC) if isinstance(value, datetime) else datetime.fromisoformat(value)


def test_the_seed_s_example_gives_the_same_rows_everywhere(anywhere: Any, sandbox: Any) -> None:
    secrets, rewrite = {"vendor_api": "test-key"}, {"api.vendor.com": sandbox.url}
    result = anywhere.run(SEED, secrets=secrets, rewrite=rewrite, clock=Noon())
    assert (result.status, result.rows) == ("done", {"vendor_data_raw": 230, "vendor_data_transformed": 230})
    found = anywhere.rows("SELECT org_slug, id, name, created_at, extracted_at FROM vendor_data_transformed")
    raw = [json.loads(text) for (text,) in anywhere.rows("SELECT raw_data FROM vendor_data_raw")]
    wanted = {(str(r["id"]), r["name"], datetime.fromisoformat(r["created_at"])) for r in raw}
    assert {(id, name, moment(at)) for _, id, name, at, _ in found} == wanted
    assert {org for org, *_ in found} == {"default"}
    extracted = {moment(at) for (at,) in anywhere.rows("SELECT extracted_at FROM vendor_data_raw")}
    assert {moment(at) for *_, at in found} == extracted
    assert anywhere.columns("vendor_data_transformed") == {
        "org_slug": "string", "id": "string", "name": "string", "created_at": "timestamp", "extracted_at": "timestamp",
    }  # fmt: skip
    if anywhere.url.startswith("sqlite"):
        assert {text[-1] for *_, text in found} == {"Z"}
        assert {type(at) for _, _, _, at, _ in found} == {str}


def test_the_template_may_be_a_file_beside_the_pipeline(anywhere: Any, api: Api) -> None:
    (anywhere.folder / "sql").mkdir()
    (anywhere.folder / "sql" / "totals.sql").write_text(f"-- {{not a variable}}\n{TOTALS};\n")
    result = anywhere.run(pipeline(anywhere, api, {"sql_file": "sql/totals.sql"}))
    assert result.rows == {"orders": 3, "totals": 2}
    assert sorted(anywhere.rows("SELECT customer, total, n FROM totals")) == [("ann", 10.75, 2), ("bob", 20.0, 1)]


def test_write_modes(anywhere: Any, api: Api) -> None:
    file = pipeline(
        anywhere,
        api,
        {"step": "anew", "sql_template": TOTALS},
        {"step": "log", "sql_template": "SELECT id, '{run_id}' AS run FROM orders", "write": "append"},
        {
            "step": "latest", "write": "merge", "key": ["customer"],
            "sql_template": "SELECT customer, MAX(at) AS at, '{run_id}' AS run FROM orders WHERE id <= CAST('{most}' AS INT64) GROUP BY customer",
        },
        {"step": "seen", "sql_template": "SELECT id, amount FROM orders", "write": "view"},
    )  # fmt: skip
    anywhere.run(file, run_id="one", params={"most": 3})
    second = anywhere.run(file, run_id="two", params={"most": 1})
    assert second.rows == {"orders": 3, "anew": 2, "log": 3, "latest": 1, "seen": 0}
    assert anywhere.one("SELECT count(*) FROM anew") == 2
    assert sorted(anywhere.rows("SELECT id, run FROM log")) == [(i, run) for i in (1, 2, 3) for run in ("one", "two")]
    latest = sorted(
        (who, moment(at).day, run) for who, at, run in anywhere.rows('SELECT customer, "at", run FROM latest')
    )
    assert latest == [("ann", 2, "two"), ("bob", 3, "one")]
    assert anywhere.one("SELECT sum(amount) FROM seen") == 30.75


def test_a_step_reads_what_a_step_made(anywhere: Any, api: Api) -> None:
    """Types go on, where the database has none of its own."""
    anywhere.run(
        pipeline(
            anywhere,
            api,
            {"step": "days", "sql_template": "SELECT id, DATE(at) AS day, at, amount > 1 AS big FROM orders"},
            {"step": "top", "sql_template": "SELECT id FROM days WHERE at < '2026-01-03 00:00:00' AND big"},
        )
    )
    assert anywhere.columns("days") == {"id": "bigint", "day": "date", "at": "timestamp", "big": "bool"}
    assert anywhere.rows("SELECT id FROM top") == [(1,)]


def test_a_step_knows_what_an_extraction_brought(anywhere: Any, api: Api) -> None:
    sql = "SELECT '{steps.crawl.status}' AS status, '{steps.crawl.rows_extracted}' AS n"
    file = pipeline(anywhere, api, {"step": "told", "sql_template": sql})
    assert anywhere.run(file, run_id="r").status == "done"
    assert anywhere.rows("SELECT status, n FROM told") == [("SUCCESS", len(ORDERS))]


HOSTILE = ["it's", 'a "b"', "back\\slash", "{brace}", "two\nlines", "'); DROP TABLE orders; --", "é😀", "%s ? $1 :x"]


@pytest.mark.parametrize("write", ["overwrite", "view"])
def test_values_are_values_whatever_is_in_them(anywhere: Any, api: Api, write: str) -> None:
    columns = ", ".join(f"'{{p{at}}}' AS c{at}, 'x-{{p{at}}}-{{{{y}}}}' AS d{at}" for at, _ in enumerate(HOSTILE))
    sql = (
        f"SELECT {columns}, '{{n}}' AS n, '{{flag}}' AS flag, `{{column}}` AS taken FROM `{{table}}` WHERE id = '{{n}}'"
    )
    inputs = {
        **{f"p{at}": {"type": "string"} for at, _ in enumerate(HOSTILE)},
        "n": {"type": "int"}, "flag": {"type": "bool"}, "column": {"type": "string"}, "table": {"type": "string"},
    }  # fmt: skip
    params = {
        **{f"p{at}": text for at, text in enumerate(HOSTILE)},
        "n": 2,
        "flag": True,
        "column": "customer",
        "table": "orders",
    }
    file = pipeline(anywhere, api, {"step": "values_", "sql_template": sql, "write": write}, inputs=inputs)
    anywhere.run(file, params=params)
    (row,) = anywhere.rows("SELECT * FROM values_")
    wanted = [part for text in HOSTILE for part in (text, f"x-{text}-{{y}}")]
    assert list(row) == [*wanted, 2, True, "bob"]


def test_project_and_dataset_are_the_destination_s(anywhere: Any, api: Api) -> None:
    sql = "SELECT id, '{project}' AS p, '{dataset}' AS d FROM `{project}.{dataset}.orders`"
    anywhere.run(pipeline(anywhere, api, {"step": "mine", "sql_template": sql}))
    if anywhere.url.startswith("sqlite"):
        assert anywhere.one("SELECT DISTINCT d FROM mine") == "main"
    else:
        assert anywhere.rows("SELECT DISTINCT p, d FROM mine") == anywhere.rows(
            "SELECT current_database(), current_schema()"
        )


def test_a_failed_step_is_made_good_by_the_next_call(anywhere: Any, api: Api) -> None:
    file = pipeline(anywhere, api, {"sql_template": "SELECT id, 1 / (id - 2) AS x FROM orders", "write": "append"})
    with pytest.raises(CommitFailed, match="the table is as it was before this step"):
        anywhere.run(file, run_id="one")
    good = pipeline(anywhere, api, {"sql_template": "SELECT id, 1 / (id + 2) AS x FROM orders", "write": "append"})
    result = anywhere.run(good, run_id="one", adopt=True)
    assert (result.status, result.rows) == ("done", {"totals": 3})
    assert len(api.asked) == 1


@pytest.mark.crash
def test_killed_and_resumed_each_step_is_done_once(anywhere: Any, api: Api) -> None:
    file = pipeline(
        anywhere,
        api,
        {"step": "log", "sql_template": "SELECT id, amount FROM orders", "write": "append"},
        {
            "step": "again", "sql_template": "SELECT id + 10 AS id, amount FROM log", "write": "append",
            "destination_table": "log",
        },
        {"step": "totals", "sql_template": TOTALS, "write": "merge", "key": ["customer"]},
    )  # fmt: skip
    assert anywhere.run(file, run_id="crash", steps=["crawl"]).status == "done"
    crawl = Crawl(str(file), anywhere.url, state=anywhere.state)
    standing = [
        ("commit.before_commit", 1, None), ("commit.after_commit", 1, [1, 2, 3]),
        ("commit.after_commit", 1, [1, 2, 3, 11, 12, 13]),
    ]  # fmt: skip
    for point, nth, ids in standing:
        ended = attempt(crawl, At(point, nth))
        assert ended.killed, ended.log
        there = anywhere.columns("log")
        assert (sorted(id for (id,) in anywhere.rows("SELECT id FROM log")) if there else None) == ids, point
    ended = attempt(crawl)
    assert ended.exit_code == 0, ended.log
    assert sorted(anywhere.rows("SELECT id, amount FROM log")) == sorted(
        (order["id"] + more, order["amount"]) for order in ORDERS for more in (0, 10)
    )
    assert sorted(anywhere.rows("SELECT customer, total, n FROM totals")) == [("ann", 10.75, 2), ("bob", 20.0, 1)]
    assert len(api.asked) == 1


def test_plan_shows_what_is_made_from_what(place: Any, api: Api) -> None:
    file = pipeline(
        place,
        api,
        {"sql_template": "SELECT o.customer, p.price FROM orders o JOIN Prices p ON p.id = o.id", "reads": ["prices"]},
        {"step": "seen", "write": "view", "sql_template": "WITH t AS (SELECT * FROM totals) SELECT customer FROM t"},
    )
    plan = make_run_plan(prepare(file, run_id="x", destination=place.url).job, from_url(place.url))
    assert [(made.step, made.table, made.write, made.sources) for made in plan.lineage] == [
        ("totals", "totals", "overwrite", {"orders": "crawl", "Prices": ""}),
        ("seen", "seen", "view", {"totals": "totals"}),
    ]
    assert list(plan.others) == []
    given = [str(file), "--destination", place.url]
    text = CliRunner().invoke(cli, ["plan", *given]).output
    assert "makes      totals (overwrite) from orders (step crawl), Prices (there already)" in text
    document = json.loads(CliRunner().invoke(cli, ["plan", "--json", *given]).output)
    assert document["lineage"][1] == {
        "step": "seen", "table": "seen", "write": "view", "from": [{"table": "totals", "step": "totals"}],
    }  # fmt: skip


def test_values_of_the_environment_are_shown_nowhere(
    anywhere: Any, api: Api, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not in the error, which quotes the SQL, not in the run's record, not in a view."""
    monkeypatch.setenv("SALT", "salt-that-nobody-may-see")
    sql = "SELECT id, TO_HEX(MD5(CONCAT('{env.SALT}', customer))) AS who FROM orders"
    anywhere.run(pipeline(anywhere, api, {"sql_template": sql}), run_id="one")
    assert anywhere.one("SELECT count(DISTINCT who) FROM totals") == 2
    wrong = "SELECT CAST(CONCAT('{env.SALT}', customer) AS INT64) AS who FROM orders"
    with pytest.raises(CommitFailed) as refused:
        anywhere.run(pipeline(anywhere, api, {"sql_template": wrong}), run_id="two")
    stored = json.dumps(anywhere.rows("SELECT resolved, error FROM headrace_runs"))
    state = b"".join(path.read_bytes() for path in anywhere.state.rglob("*") if path.is_file())
    for text in (str(refused.value), stored, state.decode("latin-1"), "".join(capsys.readouterr())):
        assert "salt-that" not in text
    with pytest.raises(PipelineFileError, match="its value would stand in the database"):
        anywhere.run(pipeline(anywhere, api, {"sql_template": sql, "write": "view"}))


def test_why_says_that_a_table_is_made_by_sql(place: Any, api: Api) -> None:
    place.run(pipeline(place, api, {"sql_template": TOTALS}))
    with from_url(place.url).open(read_only=True) as session, pytest.raises(InputError) as refused:
        why(session, from_url(place.url), "totals", ["ann"])
    assert "totals is made by SQL (step totals) from orders" in str(refused.value)
