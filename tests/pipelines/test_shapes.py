"""Slices, windows, budgets and marks; and everything hostile that an API can answer."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

import pytest
from tests.pipelines.conftest import Noon

from headrace.core import faults
from headrace.core.errors import AnswerError, CannotOpen, CommitFailed, DecodeError, PathNotFound, RequestFailed
from headrace.core.events import BatchCommitted

FAST = {"requests_per_second": 1000}
CURSOR = {"type": "cursor", "param": "cursor", "response_path": "meta.next_cursor"}


class Heard:
    """Every event of a run."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def emit(self, event: Any) -> None:
        self.events.append(event)


def body(value: Any) -> Any:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return lambda path, params: (text, 200, {})


def step(api: Any, **more: Any) -> dict[str, Any]:
    return {"url": f"{api.url}/x", "destination": {"table": "landed"}, "transform": {"flatten": True}, **more}


# Shapes of a crawl


def test_slices_of_every_kind_side_by_side(anywhere: Any, sandbox: Any) -> None:
    asked = {
        "each": ({"each": {"size": [90, 0, 41], "word": ["a", "b"]}}, "records={slice.size}&word={slice.word}", 262),
        "dates": ({"dates": {"from": "2026-01-30", "to": "2026-02-02", "step": "1d"}}, "records=7&d={slice.start}", 21),
    }
    for name, (slices, query, rows) in asked.items():
        file = anywhere.file(
            {
                "url": f"{sandbox.url}/styles/cursor-query?limit=30&{query}", "pagination": CURSOR, "rate_limit": FAST,
                "slices": slices, "destination": {"table": f"by_{name}"},
            },
            name,
        )  # fmt: skip
        assert anywhere.run(file, run_id=name).status == "done"
        assert anywhere.one(f"SELECT count(*) FROM by_{name}") == rows
    names = [n for (n,) in anywhere.rows("SELECT name FROM headrace_slices WHERE run_id = 'dates' ORDER BY position")]
    assert names == ["2026-01-30", "2026-01-31", "2026-02-01"]
    tables = [{"table": "seeds", "key": ["id"], "columns": {"id": "id"}}]
    url = f"{sandbox.url}/styles/whole?records=4&seeds=1"
    assert anywhere.run(anywhere.file({"url": url, "tables": tables}, "seeds")).status == "done"
    file = anywhere.file(
        {
            "url": f"{sandbox.url}/styles/whole?records={{slice.id}}", "rate_limit": FAST,
            "slices": {"rows": "SELECT id FROM seeds ORDER BY id"}, "destination": {"table": "by_rows"},
        },
        "rows",
    )  # fmt: skip
    assert anywhere.run(file, run_id="rows").status == "done"
    assert anywhere.one("SELECT count(*) FROM by_rows") == 1 + 2 + 3 + 4
    assert set(anywhere.rows("SELECT status FROM headrace_slices")) == {("done",)}
    assert sandbox.stats()["repeated"] == 0


def test_a_window_is_committed_in_order(place: Any, sandbox: Any) -> None:
    sandbox.fault("latency", params={"ms": 5, "jitter": 0})
    sandbox.fault("latency", contains="&page=2", nth=1, params={"ms": 150, "jitter": 0})  # the others overtake it
    heard = Heard()
    config = {
        "url": f"{sandbox.url}/styles/page-total", "pagination": {"type": "page", "pages_path": "pages", "limit": 10,
        "limit_param": "per_page"}, "data_path": "results", "rate_limit": {**FAST, "concurrency": 6},
        "commit_every": 0.01, "destination": {"table": "landed"},
    }  # fmt: skip
    result = place.run(place.file(config), run_id="r", sinks=[heard])
    assert (result.status, result.pages) == ("done", 23)
    assert sandbox.stats()["in_flight_max"] > 1
    numbers = [e.page_number for e in heard.events if isinstance(e, BatchCommitted)]
    assert numbers == sorted(numbers)
    ids = [json.loads(text)["id"] for (text,) in place.rows("SELECT raw_data FROM landed ORDER BY _page, _record")]
    assert ids == list(range(1, 231))


def test_a_budget_ends_as_partial_and_the_rest_comes_later(place: Any, sandbox: Any) -> None:
    config = {
        "url": f"{sandbox.url}/styles/cursor-query?limit=50", "pagination": CURSOR,
        "rate_limit": {**FAST, "budget": 2}, "destination": {"table": "landed"},
    }  # fmt: skip
    file = place.file(config)
    found = [place.run(file, run_id="r") for _ in range(3)]
    assert [(r.status, r.requests) for r in found] == [("partial", 2), ("partial", 2), ("done", 1)]
    assert "budget" in found[0].error
    assert place.one("SELECT count(*) FROM landed") == 230


def test_an_incremental_mark_moves_with_a_complete_crawl_only(place: Any, serve: Any) -> None:
    rows = [{"id": n, "at": f"2026-01-0{n}"} for n in (1, 2, 3)]

    def answer(path: str, params: dict[str, str]) -> Any:
        new = [row for row in rows if row["at"] >= params.get("since", "")]
        page = int(params.get("page", "1"))
        return json.dumps({"data": new[2 * page - 2 : 2 * page]}).encode(), 200, {}

    api = serve(answer)
    incremental = {"param": "since", "cursor_path": "at", "start": "2026-01-01", "lookback": "1d"}
    file = place.file(step(api, pagination={"type": "page"}, incremental=incremental))
    assert place.run(file, run_id="r1", max_pages=1).status == "partial"
    assert place.run(file, run_id="other", max_pages=1).status == "partial"
    assert "since=2026-01-01" in api.asked[-1]  # nothing was complete yet
    assert place.run(file, run_id="r1").status == "done"
    rows.append({"id": 9, "at": "2026-01-09"})
    assert place.run(file, run_id="r2").status == "done"
    assert "since=2026-01-02" in api.asked[-1]  # the greatest, a day back
    assert place.rows("SELECT id FROM landed WHERE _page IN (SELECT page_id FROM crawl_raw_pages WHERE run_id = 'r2') ORDER BY 1") == [
        (2,), (3,), (9,)
    ]  # fmt: skip


@pytest.mark.parametrize("fault", ["status_429_decimal", "status_503", "reset", "length_truncation"])
def test_passing_troubles_are_waited_out(fault: str, place: Any, sandbox: Any) -> None:
    from headrace.sandbox.faults import FAULTS

    params = {"retry_after": "decimal", "after": 0.05} if fault.startswith("status") else {}
    if fault not in FAULTS:
        pytest.fail(f"the sandbox has no fault {fault!r}: {', '.join(FAULTS)}")
    sandbox.fault(fault, nth=2, params=params)
    config = {
        "url": f"{sandbox.url}/styles/cursor-query?limit=100",
        "pagination": CURSOR,
        "destination": {"table": "landed"},
    }
    result = place.run(place.file(config))
    assert (result.status, result.retries) == ("done", 1)
    assert place.one("SELECT count(*) FROM landed") == 230


def test_the_raw_form_keeps_the_record_s_own_text(place: Any, serve: Any) -> None:
    texts = ['{"a":1.10,  "b":9007199254740993}', '{"a": 1e400, "é": "\\u00e9"}']
    api = serve(body(f'{{"data": [{", ".join(texts)}]}}'.encode()))
    file = place.file({
        "url": f"{api.url}/x", "destination": {"table": "landed"},
        "transform": {"add_fields": {"batch": "{date}-x", "org": "{org_slug}"}},
    })  # fmt: skip
    assert place.run(file, org="acme").status == "done"
    assert list(place.columns("landed"))[:3] == ["org_slug", "raw_data", "extracted_at"]
    found = place.rows("SELECT raw_data, org_slug, org FROM landed ORDER BY _record")
    assert found == [(text, "acme", "acme") for text in texts]


def test_the_flattened_form_has_the_fields_beside_what_the_file_adds(anywhere: Any, serve: Any) -> None:
    api = serve(body({"data": [{"id": 123, "name": "John", "more": {"n": 1.10}}]}))
    add = {"source": "vendor_api", "batch": "{date}-{kind}", "of": "{org_slug}", "run": "{run_id}"}
    file = anywhere.file(step(api, transform={"flatten": True, "add_fields": add}))
    assert anywhere.run(file, org="acme", run_id="r1", params={"kind": "x"}, clock=Noon()).status == "done"
    assert {"org_slug", "extracted_at", "id", "name", "more", *add} <= set(anywhere.columns("landed"))
    columns = "org_slug, id, name, source, batch, run"
    row = ("acme", 123, "John", "vendor_api", "2025-12-01-x", "r1")
    assert anywhere.rows(f"SELECT {columns} FROM landed WHERE extracted_at IS NOT NULL") == [row]
    assert anywhere.one('SELECT "of" FROM landed') == "acme"


@pytest.mark.parametrize("flatten", [False, True])
@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_key_fields_add_each_record_once(anywhere: Any, serve: Any, batch_size: int, flatten: bool) -> None:
    """In one crawl and in the next: a change is another record, as soon as its time is in the key."""
    records = [{"id": n, "updated_at": "mon", "more": {"n": n}} for n in (*range(20), 3, 4)]
    changed = {"id": 3, "updated_at": "tue", "more": {"n": 0}}

    def answer(path: str, params: dict[str, str]) -> Any:
        first = 5 * (int(params.get("page", "1")) - 1)
        return json.dumps({"data": records[first : first + 5]}).encode(), 200, {}

    file = anywhere.file({
        "url": f"{serve(answer).url}/x", "pagination": {"type": "page"}, "rate_limit": FAST, "commit_every": 0.01,
        "destination": {"table": "landed", "batch_size": batch_size, "key_fields": ["id", "updated_at"]},
        "transform": {"flatten": flatten},
    })  # fmt: skip
    for new in ([], [], [changed]):
        records += new
        assert anywhere.run(file).status == "done"
        assert anywhere.one("SELECT count(*) FROM landed") == 20 + len(new)
    if flatten:
        found = anywhere.rows("SELECT id, updated_at FROM landed WHERE id = 3 ORDER BY updated_at")
        assert found == [(3, "mon"), (3, "tue")]


def test_a_batch_that_cannot_be_written_fails_the_run_and_comes_later(anywhere: Any, serve: Any) -> None:
    def answer(path: str, params: dict[str, str]) -> Any:
        page = int(params.get("page", "1"))
        return json.dumps({"data": [{"id": page}] if page < 4 else []}).encode(), 200, {}

    file = anywhere.file(step(serve(answer), pagination={"type": "page"}, rate_limit=FAST))

    failing = ["the first one"]

    def fail(point: str) -> None:
        if point == "commit.before_commit" and failing:
            raise OSError(f"no space left on device for {failing.pop()}")

    faults.install(fail)
    try:
        with pytest.raises(CommitFailed, match="no space left on device"):
            anywhere.run(file, run_id="r")
    finally:
        faults.install(None)
    assert anywhere.one("SELECT status FROM headrace_runs") == "failed"
    assert anywhere.one("SELECT count(*) FROM headrace_checkpoints") == 0
    assert anywhere.run(file, run_id="r").status == "done"
    assert anywhere.rows("SELECT id FROM landed ORDER BY id") == [(1,), (2,), (3,)]


# What an API may answer


def test_columns_come_and_widen_across_pages(anywhere: Any, serve: Any) -> None:
    pages = [
        [{"id": 1, "n": 1}],
        [{"id": 2, "n": 2, "new": {"x": [1]}}],
        [{"id": 3, "n": "three", "flag": True}],
        [{"id": 4, "n": 9007199254740993}],
    ]

    def answer(path: str, params: dict[str, str]) -> Any:
        page = int(params.get("page", "1"))
        return json.dumps({"data": pages[page - 1] if page <= len(pages) else []}).encode(), 200, {}

    file = anywhere.file(step(serve(answer), pagination={"type": "page"}))
    assert anywhere.run(file).status == "done"
    types = anywhere.columns("landed")
    assert (types["n"], types["new"], types["flag"]) == ("string", "json", "bool")
    found = [n for (n,) in anywhere.rows("SELECT n FROM landed ORDER BY id")]
    assert found == ["1", "2", "three", "9007199254740993"]


@pytest.mark.xfail(
    strict=True, reason="1 in a float column becomes the text 1.0 when the column widens (PostgreSQL: 1)"
)
def test_an_integer_keeps_its_text_when_its_column_widens_twice(place: Any, serve: Any) -> None:
    pages = [[{"id": 1, "n": 1}], [{"id": 2, "n": 2.5}], [{"id": 3, "n": "three"}], []]
    api = serve(lambda path, params: (json.dumps({"data": pages[int(params["page"]) - 1]}).encode(), 200, {}))
    assert place.run(place.file(step(api, pagination={"type": "page"}))).status == "done"
    assert place.rows("SELECT n FROM landed ORDER BY id") == [("1",), ("2.5",), ("three",)]


def test_poison_is_kept_or_rejected_with_its_reason_and_never_lost(anywhere: Any, serve: Any) -> None:
    good = [{"id": 1, "v": "a"}, {"id": 2, "v": 'q"\t\u2028😀'}]
    records = [json.dumps(good[0]), r'{"id": 3, "v": "a\u0000b"}', r'{"id": 4, "v": "\ud800"}', json.dumps(good[1])]
    api = serve(body(f'{{"data": [{", ".join(records)}]}}'.encode()))
    assert anywhere.run(anywhere.file(step(api)), run_id="r").status == "done"
    stored = {i for (i,) in anywhere.rows("SELECT id FROM landed")}
    rejected = anywhere.rows("SELECT _record, reason FROM landed_rejected")
    assert stored >= {1, 2}
    assert len(stored) + len(rejected) == 4
    assert all(reason for _, reason in rejected)
    assert dict(anywhere.rows("SELECT id, v FROM landed WHERE id < 3")) == {1: "a", 2: 'q"\t\u2028😀'}
    assert len(anywhere.raw("crawl_raw_pages", "r")) == 1


def test_invalid_utf8_is_refused_by_name_and_the_rest_is_kept(place: Any, serve: Any) -> None:
    raw = b'{"data": [{"id": 1, "v": "ok"}, {"id": 2, "v": "\xff\xfe"}]}'
    assert place.run(place.file(step(serve(body(raw)))), run_id="r").status == "done"
    assert place.rows("SELECT id, v FROM landed") == [(1, "ok")]
    assert "not valid Unicode" in place.one("SELECT reason FROM landed_rejected")
    assert place.raw("crawl_raw_pages", "r")[0].body == raw


def test_numbers_come_back_as_they_were_sent(anywhere: Any, serve: Any) -> None:
    text = '{"data": [{"id": 9007199254740993, "price": 0.1}, {"id": 1, "price": 12345678901234.5}]}'
    columns = {"id": {"path": "id", "type": "int"}, "price": {"path": "price", "type": "decimal"}}
    tables = [{"table": "numbers", "key": ["id"], "columns": columns}]
    file = anywhere.file({"url": f"{serve(body(text.encode())).url}/x", "tables": tables})
    assert anywhere.run(file).status == "done"
    found = anywhere.rows("SELECT id, price FROM numbers ORDER BY id")
    assert [i for i, _ in found] == [1, 9007199254740993]
    assert [float(p) for _, p in found] == [12345678901234.5, 0.1]


def test_an_empty_api_is_done_with_empty_tables(anywhere: Any, serve: Any) -> None:
    tables = [{"table": "landed", "key": ["id"], "columns": {"id": {"path": "id", "type": "int"}}}]
    file = anywhere.file({"url": f"{serve(body({'data': []})).url}/x", "tables": tables})
    assert anywhere.run(file).status == "done"
    assert anywhere.one("SELECT count(*) FROM landed") == 0


def test_a_page_of_a_hundred_thousand_records(place: Any, serve: Any) -> None:
    api = serve(body({"data": [{"id": n} for n in range(100_000)]}))
    tables = [{"table": "many", "key": ["id"], "columns": {"id": "id"}}]
    assert place.run(place.file({"url": f"{api.url}/x", "tables": tables})).status == "done"
    assert place.rows("SELECT count(*), count(DISTINCT id), max(id) FROM many") == [(100_000, 100_000, 99_999)]


def test_records_that_are_no_objects_are_rejected_not_dropped(place: Any, serve: Any) -> None:
    api = serve(body({"data": [{"id": 1}, 7, "text", None, [1]]}))
    assert place.run(place.file(step(api))).status == "done"
    assert place.one("SELECT count(*) FROM landed") == 1
    assert place.one("SELECT count(*) FROM landed_rejected") == 4


def test_html_instead_of_json_names_what_came(place: Any, serve: Any) -> None:
    api = serve(lambda path, params: (b"<!DOCTYPE html><title>Log in</title>", 200, {"Content-Type": "text/html"}))
    with pytest.raises(DecodeError) as error:
        place.run(place.file(step(api)))
    assert "html" in str(error.value).lower()


def test_not_found_on_the_first_page(place: Any, serve: Any) -> None:
    for more in ({}, {"end_on": [404]}):
        with pytest.raises(RequestFailed, match="404"):
            place.run(place.file(step(serve(lambda path, params: None), **more)))


def test_a_path_that_leads_nowhere_lists_the_keys_there_are(place: Any, serve: Any) -> None:
    api = serve(body({"results": [{"id": 1}], "paging": {"next_token": "abc"}}))
    with pytest.raises(PathNotFound) as error:
        place.run(place.file(step(api)))
    assert "results" in str(error.value)
    assert "paging" in str(error.value)
    pagination = {"type": "cursor", "param": "c", "response_path": "paging.next"}
    with pytest.raises(AnswerError) as lost:
        place.run(place.file(step(api, data_path="results", pagination=pagination)))
    assert "next_token" in str(lost.value)


def test_a_destination_that_cannot_be_opened(place: Any, serve: Any) -> None:
    api = serve(body({"data": [{"id": 1}]}))
    file = place.file(step(api))
    (place.folder / "text.duckdb").write_text("this is no database, whatever its name says " * 100)
    for url in (
        f"duckdb:///{place.folder}/text.duckdb",
        f"sqlite:///{place.folder}/text.duckdb",
        f"duckdb:///{place.folder}/no/such/folder/x.duckdb",
        "postgresql://postgres@127.0.0.1:1/none",
    ):
        place.url = url
        with pytest.raises(CannotOpen):
            place.run(file)
    assert api.asked == []


def test_a_column_name_that_is_sql_is_only_a_name(anywhere: Any, serve: Any) -> None:
    evil = 'x"); DROP TABLE landed; --'
    api = serve(body({"data": [{"id": 1, evil: "a", "select": 2, "": 3}]}))
    assert anywhere.run(anywhere.file(step(api))).status == "done"
    assert anywhere.one("SELECT count(*) FROM landed") == 1
    assert any("drop table" in name.lower() for name in anywhere.columns("landed"))


def test_sqlite_is_one_plain_file(tmp_path: Any, place: Any, sandbox: Any) -> None:
    """Whoever opens it next needs nothing of Headrace."""
    place.url = f"sqlite:///{tmp_path}/plain.db"
    config = {"url": f"{sandbox.url}/styles/whole?records=5", "destination": {"table": "landed"}}
    assert place.run(place.file(config)).status == "done"
    connection = sqlite3.connect(tmp_path / "plain.db")
    assert connection.execute("SELECT count(*) FROM landed").fetchone() == (5,)
    connection.close()
