"""The tables of a destination and their rows, a page at a time, for those who look without writing SQL."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headrace.core.contracts import Destination, Session
from headrace.core.errors import HeadraceError, InputError
from headrace.core.suggest import did_you_mean
from headrace.core.tables import PAGE, RECORD, RunRecord, TableSpec
from headrace.core.types import ColumnType
from headrace.destinations._layout import load_spec
from headrace.inspect.archive import raw_table
from headrace.inspect.order import order_of
from headrace.inspect.steps import extract_steps
from headrace.mapping.spec import legacy_table, table_specs
from headrace.pipeline.load import from_resolved
from headrace.pipeline.secrets import sensitive_columns

RUNS = 1_000
"""The latest runs, which tell how fresh a table is."""
LONGEST = 2_000
"""Characters of a text that are read."""
ORG = "org_slug"
"""The column that tells whose a row is."""
_ENGINE = re.compile(r"headrace_.*|.*_(seen|sighted|rejected)")


@dataclass(frozen=True, slots=True)
class TableInfo:
    """A table that pipelines fill. ``filled_at`` is when the last complete run that fills it ended, in microseconds
    since 1970 UTC (``None``: none has), by which pipeline and run."""

    name: str
    rows: int
    filled_at: int | None = None
    pipeline: str = ""
    run_id: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """``position`` is where the table goes on after it; ``key`` the arguments that :func:`headrace.inspect.why.why`
    takes for it, none where its origin is not known."""

    position: str
    values: Sequence[Any]
    key: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RowPage:
    """Rows in the order of the table's key, else in the one that they lie in. ``after`` asks for the next page; ``None`` at the end."""

    table: str
    columns: Mapping[str, ColumnType]
    rows: Sequence[Row]
    after: str | None = None


def tables(session: Session, destination: Destination, *, org: str | None = None) -> list[TableInfo]:
    """Every table that holds rows of pipelines, by name; engine tables and archives of answers are not among them.

    For ``org`` in a database that others fill too: those with a column ``org_slug``, and of these its own rows."""
    runs = session.runs(limit=RUNS)
    shared = is_shared(session, org)
    latest = _filled([run for run in runs if org in (None, run.org)], destination)
    found = []
    for name in table_names(session, destination):
        if _ENGINE.fullmatch(name) or not (columns := session.columns(name)):
            continue
        own, params = "", []
        if shared:
            if ORG not in columns:
                continue
            own, params = f" WHERE {ORG} = ?", [org]
        count = next(_values(session, f"SELECT count(*) FROM {_quote(name)}{own}", params))[0]
        run = latest.get(name)
        found.append(
            TableInfo(name, int(count), run.finished_at, run.pipeline, run.run_id)
            if run
            else TableInfo(name, int(count))
        )
    return found


def rows(
    session: Session,
    destination: Destination,
    table: str,
    *,
    where: Mapping[str, str] | None = None,
    after: str | None = None,
    limit: int = 50,
    org: str | None = None,
) -> RowPage:
    """Up to ``limit`` rows of ``table`` after the position ``after``; ``where`` maps columns to the text of their value.
    Of texts the first LONGEST characters, of bytes and sensitive columns nothing. For ``org`` as :func:`tables`. Raises
    InputError for a table, column or position that there is not."""
    shared = is_shared(session, org)
    present = table_names(session, destination)
    names = [
        name for name in present
        if not _ENGINE.fullmatch(name) and (columns := session.columns(name)) and (not shared or ORG in columns)
    ]  # fmt: skip
    if table not in names:
        raise InputError(
            f"{destination.url} has no table {table!r}{did_you_mean(table, names)}",
            hint=f"tables: {', '.join(names) or 'none yet'}",
        )
    hidden = hidden_columns(session)
    types = {
        name: kind
        for name, kind in session.columns(table).items()
        if name not in (PAGE, RECORD) and kind != "binary" and name.casefold() not in hidden
    }
    for name in where or {}:
        if name not in types:
            raise InputError(
                f"{table} has no column {name!r}{did_you_mean(name, types)}", hint=f"columns: {', '.join(types)}"
            )
    where = {**(where or {}), ORG: org} if shared and org else where
    conditions = [f"CAST({_quote(name)} AS VARCHAR) = ?" for name in where or {}]
    params: list[Any] = list((where or {}).values())
    origin = identity(session, table) if "headrace_tables" in present else ()
    origin = () if any(name.casefold() in hidden for name in origin) else origin
    order = order_of(destination.url, origin, types)
    places = len(order.selected)
    selected = [*order.selected, *(f"CAST({_quote(c)} AS VARCHAR)" for c in origin)]
    named = ", ".join(f"{text} AS h{i}" for i, text in enumerate(selected))
    shown = ", ".join(f"{_shown(name, kind)} AS c{i}" for i, (name, kind) in enumerate(types.items()))
    found: list[Row] = []
    for span, bound in order.spans(session, table, after):
        sql = f"SELECT {named}, {shown} FROM {_quote(table)}"
        if every := [*conditions, *([span] if span else [])]:
            sql += f" WHERE {' AND '.join(every)}"
        sql += f" ORDER BY {order.by} LIMIT {int(limit) + 1 - len(found)}"
        for values in _values(session, sql, [*params, *bound]):
            texts = values[places : len(selected)]
            key = tuple(f"{c}={text}" for c, text in zip(origin, texts, strict=True))
            found.append(Row(order.token(values[:places]), values[len(selected) :], () if None in texts else key))
        if len(found) > limit:
            break
    more = len(found) > limit
    return RowPage(table, types, found[:limit], found[limit - 1].position if more else None)


def is_shared(session: Session, org: str | None) -> bool:
    """Whether others than ``org`` have run into this database; never for ``None``, who sees all."""
    if org is None:
        return False
    return next(_values(session, "SELECT 1 FROM headrace_runs WHERE org <> ? LIMIT 1", [org]), None) is not None


def hidden_columns(session: Session) -> frozenset[str]:
    """The columns that a table, or a late run's file, marks as sensitive, case-folded."""
    if not (runs := session.runs(limit=RUNS)):
        return frozenset()
    specs = [json.loads(str(spec)) for (spec,) in _values(session, "SELECT spec FROM headrace_tables")]
    marked = {str(name).casefold() for spec in specs for name in spec.get("sensitive", ())}
    return frozenset(marked).union(*(sensitive_columns(run.resolved) for run in distinct(runs)))


def distinct(runs: Sequence[RunRecord]) -> list[RunRecord]:
    """The latest run of each file."""
    return list({run.request_hash + run.mapping_hash: run for run in reversed(runs)}.values())


def _shown(name: str, kind: ColumnType) -> str:
    return f"substr(CAST({_quote(name)} AS VARCHAR), 1, {LONGEST})" if kind in ("string", "json") else _quote(name)


def has_sensitive_key(session: Session, table: str, hidden: frozenset[str]) -> bool:
    """Whether a part of the key of ``table`` is sensitive: then asking for a row by its key asks for that."""
    spec = _spec(session, table)
    return spec is not None and any(name.casefold() in hidden for name in spec.key)


def identity(session: Session, table: str) -> tuple[str, ...]:
    """The columns of ``table`` that lead to the answer a row came from; none where nothing does."""
    spec = _spec(session, table)
    if spec is None:
        return ()
    if spec.key and not spec.hidden and spec.write != "scd2":
        return spec.key
    return (PAGE, RECORD) if spec.provenance else ()


def _spec(session: Session, table: str) -> TableSpec | None:
    found = next(_values(session, 'SELECT spec FROM headrace_tables WHERE "table" = ?', [table]), None)
    return load_spec(str(found[0])) if found else None


def _filled(runs: Sequence[RunRecord], destination: Destination) -> dict[str, RunRecord]:
    """The latest complete run for each table that one fills."""
    fold = destination.capabilities().fold
    found: dict[str, RunRecord] = {}
    by_file: dict[tuple[str, str, str], list[str]] = {}
    for run in runs:
        if run.status != "done" or run.finished_at is None:
            continue
        file = (run.pipeline, run.request_hash, run.mapping_hash)
        if file not in by_file:
            by_file[file] = fills(run, fold)
        for name in by_file[file]:
            found.setdefault(name, run)
    return found


def fills(run: RunRecord, fold: Any) -> list[str]:
    """The tables that ``run`` fills."""
    return filled(run.resolved, fold)


def resolved_of_others(session: Session, org: str) -> list[Mapping[str, Any]]:
    """The files, resolved, that runs of other organisations than ``org`` had."""
    if not session.runs(limit=1):
        return []
    latest = "SELECT max(run_id) FROM headrace_runs WHERE org <> ? GROUP BY request_hash, mapping_hash"
    found = _values(session, f"SELECT resolved FROM headrace_runs WHERE run_id IN ({latest})", [org])
    return [json.loads(str(text)) for (text,) in found]


def archived(resolved: Mapping[str, Any]) -> list[str]:
    """The archives that a resolved pipeline keeps answers in."""
    try:
        steps = extract_steps(from_resolved(resolved))
    except HeadraceError:
        return []
    return [name for step, config in steps.items() if (name := raw_table(step, config)) is not None]


def filled(resolved: Mapping[str, Any], fold: Any) -> list[str]:
    """The tables that a resolved pipeline fills."""
    try:
        pipeline = from_resolved(resolved)
    except HeadraceError:  # written by a version whose files this one does not read
        return []
    names: list[str] = []
    for config in extract_steps(pipeline).values():
        declared = config.tables or ([legacy_table(config.destination, config.transform)] if config.destination else [])
        names += [spec.name for spec in table_specs(declared, fold)]
    for entry in pipeline.steps:
        for field in ("destination_table", "results"):
            if isinstance(name := getattr(entry.config, field, None), str):
                names.append(fold(name))
    return names


def table_names(session: Session, destination: Destination) -> list[str]:
    """Every table, engine tables too."""
    if destination.url.startswith("sqlite"):
        sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    elif destination.url.startswith("duckdb"):
        sql = "SELECT table_name FROM duckdb_tables() WHERE NOT internal AND database_name = current_database() AND schema_name = current_schema()"
    else:
        sql = "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema() AND table_type = 'BASE TABLE'"
    return sorted(str(row[0]) for row in _values(session, sql))


def _values(session: Session, sql: str, params: Sequence[Any] = ()) -> Any:
    return (tuple(row.values()) for batch in session.query(sql, list(params)) for row in batch.to_pylist())


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
