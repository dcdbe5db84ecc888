"""The loader: each staged file exactly once, in every database, whatever is killed."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from headrace import resume, run
from headrace.core import faults
from headrace.core.contracts import Destination
from headrace.core.errors import HeadraceError, PipelineFileError
from headrace.core.tables import RunRecord
from headrace.core.trust import Trust
from headrace.destinations import from_url
from headrace.destinations._stage import StageDestination
from headrace.destinations._stage_reader import StageReader
from headrace.pipeline.load import parse
from headrace.testing.destination.build import START, Writer, page, table
from headrace.testing.destination.read import Rows, fetch

ITEMS = table("items", "append", {"id": "int", "name": "string", "size": None, "tags": "json"}, open_ended=True)
OTHER = table("other", "append", {"n": "int"})
PIPELINE = """
pipeline_id: load
steps:
  - step: load
    processor: generic.stage_loader
    config:
      stage: "{stage}"
      tables: [{tables}]
"""
KINDS = ["duckdb", "sqlite", "postgresql"]


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    return f"{request.param}:///{tmp_path}/loaded.{request.param}"


def record(run_id: str, at: int = START) -> RunRecord:
    return RunRecord(run_id, "p", "default", "running", {}, {}, "r", "m", "s", now=at, started_at=at)


def stage_rows(stage: Destination, run_id: str = "run-1", first: int = 1, pages: int = 6, **columns: Any) -> None:
    """``pages`` commits of two rows each."""
    with stage.open() as session:
        session.save_run(record(run_id, START + first))
        writer = Writer(session, run_id).prepare(ITEMS, OTHER)
        for number in range(first, first + pages):
            rows = [
                {"id": 2 * number + n, "name": f"née {number}\n", "tags": '{"a": [1, 2.50]}'} | columns for n in (0, 1)
            ]
            types: dict[str, Any] = {"size": columns.pop("type", "int") if columns else "untyped"}
            writer.commit(page(number - first + 1, ITEMS, rows, run=run_id, at=START + number * 1_000_000, types=types))


def pipeline(folder: Path, stage: Destination, tables: str = "{table: items}") -> Path:
    file = folder / "load.yml"
    file.write_text(PIPELINE.replace("{stage}", stage.url).replace("{tables}", tables))
    return file


def load(folder: Path, stage: Destination, database: str, run_id: str, tables: str = "{table: items}") -> Any:
    return run(str(pipeline(folder, stage, tables)), run_id=run_id, destination=database, state=folder / "state")


def items(database: str, what: str = "id, name") -> Rows:
    with from_url(database).open() as session:
        return fetch(session, f"SELECT {what} FROM items ORDER BY id")


def test_each_file_is_loaded_once(stage: Destination, database: str, tmp_path: Path) -> None:
    stage_rows(stage)
    first = load(tmp_path, stage, database, "one")
    assert (first.status, first.rows, first.pages) == ("done", {"items": 12}, 6)
    assert load(tmp_path, stage, database, "two").rows == {}
    stage_rows(stage, "run-2", first=7, pages=2, size=5)
    assert load(tmp_path, stage, database, "three").rows == {"items": 4}
    assert items(database) == [(n, f"née {n // 2}\n") for n in range(2, 18)]
    assert [row[0] for row in items(database, "size, id")] == [None] * 12 + [5] * 4
    with from_url(database).open() as session:
        assert fetch(session, 'SELECT run_id, count(*), CAST(sum("rows") AS bigint) FROM headrace_loads GROUP BY run_id ORDER BY run_id') == [
            ("one", 6, 12), ("three", 2, 4)
        ]  # fmt: skip
        assert session.columns("items") == {"id": "int", "name": "string", "size": "int", "tags": "json"}


def test_a_column_that_has_widened_since(folder: Destination, database: str, tmp_path: Path) -> None:
    stage_rows(folder, size=5)
    load(tmp_path, folder, database, "one")
    stage_rows(folder, "run-2", first=7, pages=1, size="large", type="string")
    load(tmp_path, folder, database, "two")
    assert [row[0] for row in items(database, "size, id")] == ["5"] * 12 + ["large"] * 2


def test_the_latest_of_a_key_stays(folder: Destination, database: str, tmp_path: Path) -> None:
    stage_rows(folder, "later", first=3, pages=2)
    stage_rows(folder, "earlier", first=1, pages=2)
    with folder.open() as session:
        again = page(1, ITEMS, [{"id": 2, "name": "newest"}, {"id": None, "name": "none"}], run="x", at=START + 10**9)
        session.save_run(record("x"))
        Writer(session, "x").commit(again)
    found = load(tmp_path, folder, database, "one", "{table: items, into: Things, write: merge, key: [id]}")
    name = from_url(database).capabilities().fold("Things")
    assert found.rows == {name: 8}
    with from_url(database).open() as session:
        assert fetch(session, f'SELECT id, name FROM "{name}" ORDER BY id')[0] == (2, "newest")
        assert fetch(session, f'SELECT count(*) FROM "{name}"') == [(8,)]
        assert fetch(session, f'SELECT reason FROM "{name}_rejected"') == [("the key is empty",)]


def test_two_staged_tables_go_into_one(folder: Destination, database: str, tmp_path: Path) -> None:
    """Each has its own place in the stage, whichever is loaded first."""
    with folder.open() as session:
        session.save_run(record("both"))
        writer = Writer(session, "both").prepare(ITEMS, OTHER)
        writer.commit(page(1, OTHER, [{"n": 1}], run="both", at=START + 1))
        writer.commit(page(2, ITEMS, [{"id": 2, "name": "two"}], run="both", at=START + 2))
    load(tmp_path, folder, database, "one", "{table: items, into: together}")
    load(tmp_path, folder, database, "two", f"{{table: {OTHER.name}, into: together}}")
    load(tmp_path, folder, database, "three", "{table: items, into: together}")
    with from_url(database).open() as session:
        assert fetch(session, "SELECT id, n FROM together ORDER BY n") in (
            [(None, 1), (2, None)],
            [(2, None), (None, 1)],
        )


@pytest.mark.parametrize(("more", "value"), [({"size": 5}, 5), ({"size": "large", "type": "string"}, "large")])
def test_a_column_that_comes_while_the_stage_is_read(
    more: dict[str, Any], value: Any, folder: Destination, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rows wait for a load that knows the column."""
    stage_rows(folder, "first", pages=1, **({"size": 1} if value == "large" else {}))
    database, runs = f"sqlite:///{tmp_path}/x.sqlite", StageReader.runs

    def staged_meanwhile(reader: StageReader, org: str) -> list[str]:
        monkeypatch.undo()
        stage_rows(folder, "second", first=2, pages=1, **more)
        return runs(reader, org)

    monkeypatch.setattr(StageReader, "runs", staged_meanwhile)
    assert load(tmp_path, folder, database, "one").rows == {"items": 2}
    assert load(tmp_path, folder, database, "two").rows == {"items": 2}
    assert [row[0] for row in items(database, "size, id")][2:] == [value] * 2


def test_every_table_by_default_and_only_those_of_rows(folder: Destination, tmp_path: Path) -> None:
    stage_rows(folder)
    database = f"duckdb:///{tmp_path}/x.duckdb"
    file = tmp_path / "all.yml"
    file.write_text(PIPELINE.replace("{stage}", folder.url).replace("      tables: [{tables}]\n", ""))
    assert run(str(file), destination=database, state=tmp_path / "state").rows == {"items": 12}


def at(nth: int) -> Callable[[str], None]:
    left = nth

    def handler(name: str) -> None:
        nonlocal left
        left -= name == "commit.sql"
        if left == 0 and name == "commit.sql":
            left = -1
            raise faults.InjectedFault(f"statement {nth}")

    return handler


def test_a_fault_in_any_statement_leaves_neither_or_both(
    folder: Destination, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headrace.steps.generic._load.GROUP_ROWS", 2)
    stage_rows(folder, pages=2)
    database = f"sqlite:///{tmp_path}/x.sqlite"
    failed = 0
    for nth in range(1, 100):
        faults.install(at(nth))
        try:
            found = (
                load(tmp_path, folder, database, "one")
                if nth == 1
                else resume("one", destination=database, state=tmp_path / "state")
            )
        except HeadraceError:
            failed += 1
            faults.install(None)
            loaded = items(database)
            with from_url(database).open() as session:
                assert len(loaded) == (int(fetch(session, 'SELECT sum("rows") FROM headrace_loads')[0][0] or 0))
            continue
        finally:
            faults.install(None)
        assert found.status == "done"
        break
    assert failed > 5
    assert [row[0] for row in items(database)] == [2, 3, 4, 5]


POINTS = ["commit.before_commit:2", "commit.after_commit:1", "commit.sql:9", "run.finished:1"]
DEFAULT = {("duckdb", POINTS[0]), ("postgresql", POINTS[1]), ("sqlite", POINTS[2])}
STRIKES = [
    pytest.param(kind, point, marks=[] if (kind, point) in DEFAULT else pytest.mark.crash)
    for kind in KINDS
    for point in POINTS
]


@pytest.mark.parametrize(("database", "point"), STRIKES, indirect=["database"])
def test_a_kill_loads_no_file_twice(folder: Destination, database: str, tmp_path: Path, point: str) -> None:
    stage_rows(folder)
    file = pipeline(tmp_path, folder)
    command = [
        sys.executable, "-c",
        "import headrace.steps.generic._load as l; l.GROUP_ROWS = 2; from headrace.cli import main; main()",
        "run", str(file), "--run-id", "one", "--destination", database, "--state", str(tmp_path / "state"), "--progress", "none",
    ]  # fmt: skip
    killed = subprocess.run(
        command, env={**os.environ, "HEADRACE_FAULT": f"{point}:kill"}, capture_output=True, text=True
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    with from_url(database).open() as session:
        loaded = int(fetch(session, 'SELECT sum("rows") FROM headrace_loads')[0][0] or 0)
    assert len(items(database)) == loaded
    again = subprocess.run(command, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert [row[0] for row in items(database)] == list(range(2, 14))


def test_a_file_that_changed_before_or_after_is_an_error(folder: Destination, tmp_path: Path) -> None:
    stage_rows(folder)
    database = f"duckdb:///{tmp_path}/x.duckdb"
    parts = sorted((tmp_path / "stage/source=items").rglob("part-*"))
    before = parts[3].read_bytes()
    parts[3].write_bytes(before.replace("née".encode(), b"nee!"))
    with pytest.raises(HeadraceError, match=r"part-0004\.jsonl has changed since it was committed"):
        load(tmp_path, folder, database, "one")
    parts[3].write_bytes(before)
    assert resume("one", destination=database, state=tmp_path / "state").rows == {"items": 12}
    for changed in (before + b"\n", before.replace("née".encode(), b"nie_")):
        parts[3].write_bytes(changed)
        with pytest.raises(HeadraceError, match=r"part-0004\.jsonl has changed since it was loaded"):
            load(tmp_path, folder, database, f"after-{len(changed)}-{changed[-3:]!r}"[:20])
    parts[3].write_bytes(before)
    assert load(tmp_path, folder, database, "good").rows == {}


def test_what_is_not_committed_is_not_loaded(folder: Destination, tmp_path: Path) -> None:
    stage_rows(folder, pages=1)
    (part,) = (tmp_path / "stage/source=items").rglob("part-*")
    part.with_name("part-0002.jsonl").write_bytes(part.read_bytes())
    assert load(tmp_path, folder, f"duckdb:///{tmp_path}/x.duckdb", "one").rows == {"items": 2}


@pytest.mark.parametrize(
    ("tables", "says"),
    [
        ("{table: itens}", "no table 'itens', did you mean 'items'"),
        ("{table: items, write: merge, key: [no]}", "no column 'no'"),
    ],
)
def test_what_is_not_there_is_named(folder: Destination, tmp_path: Path, tables: str, says: str) -> None:
    stage_rows(folder, pages=1)
    with pytest.raises(HeadraceError, match=says):
        load(tmp_path, folder, f"duckdb:///{tmp_path}/x.duckdb", "one", tables)


@pytest.mark.parametrize(
    ("tables", "says"),
    [
        ("{table: items, key: [id]}", "merge needs a key"),
        ("{table: items}, {table: other, into: items}", "more than one staged table goes into 'items'"),
    ],
)
def test_a_file_that_makes_no_sense(folder: Destination, tmp_path: Path, tables: str, says: str) -> None:
    with pytest.raises(PipelineFileError, match=says):
        load(tmp_path, folder, f"duckdb:///{tmp_path}/x.duckdb", "one", tables)


def test_a_stage_is_no_place_to_load_into(folder: Destination, tmp_path: Path) -> None:
    with pytest.raises(PipelineFileError, match="needs a database"):
        load(tmp_path, folder, f"file:///{tmp_path}/other", "one")
    with pytest.raises(HeadraceError, match="holds no staged files"):
        load(tmp_path, from_url(f"duckdb:///{tmp_path}/x.duckdb"), f"duckdb:///{tmp_path}/y.duckdb", "one")


def test_a_run_for_somebody_else_may_not_choose_a_stage(folder: Destination, tmp_path: Path) -> None:
    text = pipeline(tmp_path, folder).read_text()
    with pytest.raises(PipelineFileError, match="may not choose folders and buckets"):
        parse(text, "f.yml", Trust(own_destination=False))
    assert parse(text, "f.yml", Trust(allow_sql=False)).pipeline.steps


@pytest.mark.parametrize("field", ["AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID"])
def test_nothing_of_a_bucket_s_credentials_is_left_anywhere(
    s3_bucket: tuple[str, str],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    field: str,
) -> None:
    """Plain or encoded: in the stage, the database, state, logs, output or errors."""
    server, bucket = s3_bucket
    caplog.set_level("DEBUG")
    stage = from_url(f"s3://{bucket}/stage?endpoint={server}")
    stage_rows(stage)
    database = f"sqlite:///{tmp_path}/x.sqlite"
    load(tmp_path, stage, database, "one")
    errors = []
    for wrong in (f"s3://no-such-bucket-here/x?endpoint={server}", "s3://lake/x?endpoint=http://127.0.0.1:1"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("headrace.storage.retry.FIRST_WAIT", 0.0)
            with pytest.raises(HeadraceError) as error:
                load(tmp_path, from_url(wrong), database, f"wrong-{len(errors)}")
        errors.append("".join(traceback.format_exception(error.value)))
    kept = [each for each in tmp_path.rglob("*") if each.is_file()]
    assert isinstance(stage, StageDestination)
    store = stage.store()
    found = [each.read_bytes() for each in kept] + [store.get(entry.name) or b"" for entry in store.scan("")]
    found += [text.encode() for text in (*errors, caplog.text, *capfd.readouterr())]
    secret = os.environ[field].encode()
    for form in (secret, base64.b64encode(secret), quote(secret, safe="").encode(), secret.hex().encode()):
        assert [data[:80] for data in found if form in data] == []


@pytest.mark.parametrize("url", ["s3://key:secret@lake/x", "s3://lake/x?endpoint=http://key:secret@127.0.0.1:1"])
def test_a_url_with_credentials_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(HeadraceError, match="no credentials") as error:
        from_url(url)
    assert "secret" not in str(error.value)
