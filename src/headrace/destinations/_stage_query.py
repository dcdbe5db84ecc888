"""SQL over a staged destination: the tables that a query names are loaded into a DuckDB database of its own."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.core.tables import TableSpec
from headrace.core.types import ColumnType
from headrace.destinations import _stage_names as names
from headrace.destinations._base import as_json
from headrace.destinations._layout import dump_spec
from headrace.destinations._rows import conform
from headrace.destinations._runs import COLUMNS as RUN_COLUMNS
from headrace.destinations._session import SqlSession
from headrace.destinations._sql import quote
from headrace.destinations._stage_commit import rejected_name
from headrace.destinations._stage_log import RunLog, manifests_of
from headrace.destinations._stage_manifest import Part
from headrace.destinations._stage_runs import Runs, slices_of
from headrace.destinations._stage_tables import Table, Tables
from headrace.destinations._url import MEMORY
from headrace.destinations.duckdb import DuckDBConnection
from headrace.storage.retry import Retrying

if TYPE_CHECKING:
    import pyarrow as pa

_ONE_RUN = re.compile(r"""\s*SELECT\b[^;]*?\bFROM\s+("[^"]+"|\w+)\s+WHERE\s+run_id\s*=\s*\?(?P<rest>.*)""", re.I | re.S)
_MORE = re.compile(r"\b(OR|UNION|SELECT|EXCEPT|INTERSECT)\b", re.I)


ENGINE_PREFIX = "headrace_"
_REJECTED = "_rejected"
IN_MEMORY = 4 << 20
"""Bytes of files up to which a query needs no file of its own."""


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A table of the query's database: what makes it, and what fills it."""

    specs: tuple[TableSpec, ...] = ()
    raw: tuple[str, ...] = ()
    columns: Mapping[str, ColumnType] = field(default_factory=dict)
    parts: Sequence[Part] = ()


class Query:
    """One query, from its text to its rows."""

    def __init__(self, store: Retrying, tables: Tables, runs: Runs) -> None:
        self._store, self._tables, self._runs = store, tables, runs

    def run(self, sql: str, params: Sequence[Any]) -> Iterator[pa.RecordBatch]:
        return self._rows(sql, params, _named(sql), _one_run(sql, params))

    def _rows(self, sql: str, params: Sequence[Any], wanted: list[str], run: str | None) -> Iterator[pa.RecordBatch]:
        engine = {name.lower() for name in wanted if name.lower().startswith(ENGINE_PREFIX)}
        tables = [self._table(name, run) for name in wanted if name.lower() not in engine]
        with ExitStack() as held:
            path = MEMORY
            if sum(part.size for table in tables for part in table.parts) > IN_MEMORY:
                folder = held.enter_context(tempfile.TemporaryDirectory(prefix="headrace-stage-"))
                path = str(Path(folder) / "stage.duckdb")
            db = DuckDBConnection(path)
            held.callback(db.close)
            session = SqlSession(db, self._store.place)
            session.prepare(
                [spec for table in tables for spec in table.specs], [n for table in tables for n in table.raw]
            )
            for name in sorted(engine):
                self._load_engine(db, name, run)
            for table in tables:
                for part in table.parts:
                    _insert(db, part, part.read(self._store), table.columns)
            yield from session.query(sql, params)

    def _table(self, name: str, run: str | None) -> _Loaded:
        """What the query calls ``name``; nothing where no run made it, so that the query says so."""
        table = self._find(name)
        if table is not None and table.raw:
            return _Loaded(raw=(table.name,), parts=self._parts(table.name, run))
        if table is not None and not table.withheld:
            spec = TableSpec(table.name, "append", dict(table.columns), open_ended=True)
            return _Loaded((spec,), columns=table.columns, parts=self._parts(table.name, run))
        if not name.lower().endswith(_REJECTED) or (of := self._find(name[: -len(_REJECTED)])) is None:
            return _Loaded()
        spec = TableSpec(of.name, "append", dict(of.columns), open_ended=True)
        return _Loaded((spec,), parts=self._parts(rejected_name(of.name), run))

    def _parts(self, table: str, run: str | None) -> list[Part]:
        folders = [names.segment(run)] if run is not None else self._runs.folders()
        manifests = (manifest for folder in folders for manifest in manifests_of(self._store, folder))
        return [part for manifest in manifests for part in manifest.parts if part.table == table]

    def _find(self, name: str) -> Table | None:
        """A table by its name, whatever the case: as DuckDB takes names."""
        found = self._tables.read(name)
        if found is None:
            folded = names.segment(name).casefold()
            for each in self._tables.names():
                if names.segment(each).casefold() == folded:
                    return self._tables.read(each)
        return found

    def _load_engine(self, db: DuckDBConnection, name: str, run: str | None) -> None:
        if db.physical(name):
            db.run(f"DELETE FROM {quote(name)}")
        if name == "headrace_runs":
            rows = [_run_row(db, record) for record in self._runs.latest() if run in (None, record.run_id)]
            db.insert(name, RUN_COLUMNS, rows)
        elif name == "headrace_checkpoints":
            of_checkpoints = (
                "run_id",
                "step",
                "slice",
                "page_number",
                "cursor_next",
                "done",
                "attempt",
                "rows",
                "memo",
            )
            for log in self._logs(run):
                db.insert(name, of_checkpoints, [
                    (log.run_id, c.key.step, db.safe_text(c.key.slice), c.page_number, as_json(c.cursor_next), c.done,
                     c.attempt, c.rows, as_json(c.memo))
                    for c in log.checkpoints.values()
                ])  # fmt: skip
        elif name == "headrace_slices":
            of_slices = ("run_id", "step", "name", "position", "params", "status", "attempts", "error")
            for log in self._logs(run):
                for slices in slices_of(self._store, log.run_id):
                    db.insert(name, of_slices, [
                        (log.run_id, slices.step, s.name, s.position, as_json(s.params), s.status, s.attempts, s.error)
                        for s in slices.read(log, -1, ())
                    ])  # fmt: skip
        elif name in ("headrace_tables", "headrace_schemas"):
            for each in self._tables.names():
                table = self._tables.read(each)
                if table is not None and not table.raw:
                    _insert_schema(db, name, table)

    def _logs(self, run: str | None) -> Iterator[RunLog]:
        if run is not None:
            yield RunLog(self._store, run)
            return
        for folder in self._runs.folders():
            run_id = self._runs.id_of(folder)
            if run_id is not None:
                yield RunLog(self._store, run_id)


def _named(sql: str) -> list[str]:
    """The tables that a SELECT names; none where it is something else, or no SQL: the query itself will say so."""
    import duckdb

    with duckdb.connect() as parser:
        ((tree,),) = parser.execute("SELECT json_serialize_sql(?)", [sql]).fetchall()
    return sorted(set(_base_tables(json.loads(tree))))


def _base_tables(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if node.get("type") == "BASE_TABLE":
            yield str(node["table_name"])
        node = list(node.values())
    if isinstance(node, list):
        for each in node:
            yield from _base_tables(each)


def _one_run(sql: str, params: Sequence[Any]) -> str | None:
    """The run that a query is about, where its condition says so beyond doubt."""
    found = _ONE_RUN.fullmatch(sql)
    if found is None or _MORE.search(found["rest"]) or sql.count("?") != len(params):
        return None
    place = sql[: found.start("rest")].count("?") - 1
    return params[place] if isinstance(params[place], str) else None


def _insert(db: DuckDBConnection, part: Part, rows: pa.Table, columns: Mapping[str, ColumnType]) -> None:
    types = {name: columns.get(name, type) for name, type in part.columns.items()}
    rows = conform(rows, dict(part.columns), types)
    db.will_write(part.table, rows)
    db.stage(rows, types)
    db.do("insert_all", table=quote(part.table), columns=", ".join(map(quote, rows.column_names)))
    db.unstage()


def _run_row(db: DuckDBConnection, record: Any) -> tuple[Any, ...]:
    values = {name: getattr(record, name) for name in RUN_COLUMNS}
    for name in ("params", "resolved"):
        values[name] = as_json(values[name])
    for name in ("now", "started_at", "finished_at"):
        values[name] = db.time(values[name])
    values["error"] = db.safe_text(values["error"])
    return tuple(values.values())


def _insert_schema(db: DuckDBConnection, name: str, table: Table) -> None:
    if name == "headrace_tables":
        if table.spec is not None:
            db.insert(name, ("table", "spec"), [(table.name, dump_spec(table.spec))])
        return
    columns = ("table", "column", "type", "version", "position", "changed_at", "run_id", "page_id")
    order = {column: position for position, column in enumerate(table.columns)}
    for number, (version, changed) in enumerate(table.history(), start=1):
        db.insert(name, columns, [
            (table.name, column, type, number, order[column], db.time(version.at), version.run_id, version.page_id)
            for column, type in changed.items()
        ])  # fmt: skip
