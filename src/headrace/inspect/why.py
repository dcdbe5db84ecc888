"""From a row back to the request, the answer and the bytes that made it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headrace.core.clock import as_datetime
from headrace.core.contracts import Destination, Session
from headrace.core.errors import ArchiveMissing, HeadraceError, InputError
from headrace.core.http import Response
from headrace.core.paths import parse
from headrace.core.suggest import did_you_mean
from headrace.core.tables import PAGE, RECORD, RawPage, RunRecord, TableSpec, page_time
from headrace.destinations._layout import Layout, seen_column
from headrace.inspect.archive import raw_table, stored_runs
from headrace.inspect.steps import extract_steps, made_by_sql
from headrace.mapping.spec import legacy_table, table_specs
from headrace.pipeline.load import from_resolved
from headrace.pipeline.model import Pipeline
from headrace.pipeline.sql import lineage
from headrace.sources.decode import by_content_type, split
from headrace.steps.generic.api_extractor import ApiExtractor

SEVERAL = 5


@dataclass(frozen=True, slots=True)
class Why:
    """Where a row is from. ``record`` is its index in the page, from 0, and ``bytes`` what stood there (of
    CSV and XML: the record as JSON)."""

    table: str
    row: Mapping[str, Any]
    page_id: int
    record: int
    page: RawPage
    run: RunRecord | None
    bytes: bytes
    older: int = 0
    """Earlier states of the same row (scd2), or other scopes that saw it."""
    start: int | None = None
    """Where ``bytes`` begin in the page's body; ``None`` where they do not stand there as they are."""


@dataclass(frozen=True, slots=True)
class _Source:
    """The step that fills a table, as the latest run had it."""

    step: str
    config: ApiExtractor
    spec: TableSpec


def why(session: Session, destination: Destination, table: str, key: Sequence[str]) -> Why:
    """The origin of the row of ``table`` that ``key`` names: the value of its key column, one value for each
    of them in order, or ``column=value`` texts. Raises InputError when no row or several fit, ArchiveMissing
    when the page was purged or never kept."""
    source = _source(session, destination, table)
    layout = Layout(source.spec, source.spec.name, destination.capabilities().limits.max_name)
    row, page_id, record, older = _find(session, layout, key)
    page = _page(session, source, page_id)
    run = session.run(page.run_id)
    found, start = _record(page, source, record)
    return Why(source.spec.name, row, page_id, record, page, run, found, older, start)


def _source(session: Session, destination: Destination, table: str) -> _Source:
    fold = destination.capabilities().fold
    found: dict[str, _Source] = {}
    by_sql: dict[str, Pipeline] = {}
    for run in stored_runs(session):
        pipeline = from_resolved(run.resolved)
        for name in made_by_sql(pipeline):
            by_sql.setdefault(fold(name), pipeline)
        for step, config in extract_steps(pipeline).items():
            declared = config.tables or (
                [legacy_table(config.destination, config.transform)] if config.destination else []
            )
            for spec in table_specs(declared, fold):
                found.setdefault(spec.name, _Source(step, config, spec))
    wanted = fold(table)
    if wanted not in found and wanted in by_sql:
        made = next(made for made in lineage(by_sql[wanted].steps) if fold(made.table) == wanted)
        raise InputError(
            f"{table} is made by SQL (step {made.step}) from {', '.join(made.sources) or 'no table'}",
            hint="its rows have no page of their own: ask for those that it is made from",
        )
    if wanted not in found:
        raise InputError(
            f"no run of {destination.url} has filled a table {table!r}{did_you_mean(wanted, found)}",
            hint=f"tables: {', '.join(found) or 'none yet'}",
        )
    return found[wanted]


def _find(session: Session, layout: Layout, key: Sequence[str]) -> tuple[dict[str, Any], int, int, int]:
    spec = layout.spec
    conditions = _conditions(spec, [*_all_columns(session, spec)], key)
    text = "CAST({} AS VARCHAR) = ?"
    if layout.has_seen:
        names = {column: f"s.{_quote(seen_column(column))}" for column in spec.key}
        names |= {c: f"t.{_quote(c)}" for c in conditions if c not in names}
        needs_table = not spec.hidden
        equal = " AND ".join(f"t.{_quote(k)} = s.{_quote(seen_column(k))}" for k in spec.key)
        join = f" JOIN {_quote(spec.name)} t ON {equal}" if needs_table else ""
        select = f"s.{PAGE} AS {PAGE}, s.{RECORD} AS {RECORD}, " + (
            "t.*" if needs_table else ", ".join(f"s.{_quote(seen_column(k))} AS {_quote(k)}" for k in spec.key)
        )
        source = f"{_quote(layout.seen)} s{join}"
    else:
        names = {column: _quote(column) for column in conditions}
        select, source = "*", _quote(spec.name)
    where = " AND ".join(text.format(names[column]) for column in conditions)
    sql = f"SELECT {select} FROM {source} WHERE {where} ORDER BY {PAGE} DESC LIMIT 1000"
    rows = [row for batch in session.query(sql, list(conditions.values())) for row in batch.to_pylist()]
    if not rows:
        shown = ", ".join(f"{name}={value}" for name, value in conditions.items())
        raise InputError(f"{spec.name} has no row with {shown}", hint=_example(session, spec))
    identity = spec.key or (PAGE, RECORD)
    different = list(dict.fromkeys(tuple(row.get(column) for column in identity) for row in rows))
    if len(different) > 1:
        raise InputError(
            f"{len(different):,} rows of {spec.name} fit: name one",
            hint="\n  ".join(
                f"headrace why {spec.name} " + " ".join(_argument(c, v) for c, v in zip(identity, values, strict=True))
                for values in different[:SEVERAL]
            ),
        )
    row = rows[0]
    page_id, record = int(row.pop(PAGE)), int(row.pop(RECORD))
    row.pop("_hash", None)
    return row, page_id, record, len(rows) - 1


def _all_columns(session: Session, spec: TableSpec) -> dict[str, Any]:
    return {**session.columns(spec.name), **dict.fromkeys(spec.key), PAGE: None, RECORD: None}


def _conditions(spec: TableSpec, columns: Sequence[str], key: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    plain: list[str] = []
    for text in key:
        name, equals, value = text.partition("=")
        if equals and name in columns:
            found[name] = value
        elif equals and name.isidentifier() and did_you_mean(name, columns):
            raise InputError(
                f"{spec.name} has no column {name!r}{did_you_mean(name, columns)}",
                hint=f"columns: {', '.join(columns)}",
            )
        else:
            plain.append(text)
    if plain and not spec.key:
        raise InputError(f"{spec.name} has no key: name columns", hint=f"headrace why {spec.name} {columns[0]}=VALUE")
    open_ = [column for column in spec.key if column not in found]
    if len(plain) > len(open_):
        raise InputError(
            f"{len(plain)} values for the key of {spec.name}: {', '.join(spec.key)}",
            hint=f"headrace why {spec.name} " + " ".join(f"{column}=VALUE" for column in spec.key),
        )
    return {**dict(zip(open_, plain, strict=False)), **found}


def _argument(name: str, value: Any) -> str:
    import shlex

    return shlex.quote(f"{name}={value}")


def _example(session: Session, spec: TableSpec) -> str:
    visible = [column for column in spec.key if column not in spec.hidden]
    if not visible:
        return ""
    names = ", ".join(map(_quote, visible))
    sql = f"SELECT {names} FROM {_quote(spec.name)} LIMIT 1"
    row = next((row for batch in session.query(sql) for row in batch.to_pylist()), None)
    if row is None:
        return "the table is empty"
    return f"a row that there is: headrace why {spec.name} " + " ".join(_argument(c, v) for c, v in row.items())


def _page(session: Session, source: _Source, page_id: int) -> RawPage:
    table = raw_table(source.step, source.config)
    if table is None:
        raise ArchiveMissing(
            "this step keeps no archive (raw: false): nothing says what the API sent", place=f"step {source.step}"
        )
    try:
        page = next(iter(session.raw_pages(table, page_id=page_id)), None)
    except ArchiveMissing as error:
        raise ArchiveMissing(
            f"the row is from a page of {_utc(page_id)} whose body was purged",
            place=error.place,
            hint="its request is still in the archive: "
            f'headrace query "SELECT url, status FROM {table} WHERE page_id = {page_id}"',
        ) from error
    if page is None:
        raise ArchiveMissing(
            f"the row is from a page of {_utc(page_id)} that is not in {table}", hint="the archive was emptied by hand?"
        )
    return page


def _utc(page_id: int) -> str:
    return as_datetime(page_time(page_id)).strftime("%Y-%m-%d %H:%M:%S UTC")


def _record(page: RawPage, source: _Source, index: int) -> tuple[bytes, int | None]:
    headers = tuple((name, value) for name, value in json.loads(page.headers or "[]"))
    response = Response(page.status, headers, page.body, page.url, page.fetched_at)
    try:
        decoder = source.config.decode or by_content_type(response)
        array = decoder.open(response, parse(source.config.data_path), ()).records
        records = split(array)
    except HeadraceError as error:
        raise type(error)(
            f"the page cannot be opened as the file says now: {error.message}", hint=error.hint, place=error.place
        ) from error
    if index >= len(records):
        raise InputError(
            f"page {page.page_number} of run {page.run_id} has {len(records)} records, and the row is from number {index}",
            hint="data_path has changed since: look at the page with `headrace raw`",
        )
    found = [bytes(record) for record in records[: index + 1]]
    return found[index], _start(page.body, bytes(array), found)


def _start(body: bytes, array: bytes, records: Sequence[bytes]) -> int | None:
    """Where the last of ``records``, which are the first of ``array``, stands in ``body``."""
    at = body.find(array)
    for record in records[:-1]:
        at = body.find(record, at) + len(record) if at >= 0 else at
    at = body.find(records[-1], at) if at >= 0 else at
    return at if at >= 0 else None


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
