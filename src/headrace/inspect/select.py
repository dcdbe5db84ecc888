"""Rows of a table by typed filters, a page at a time in the order of its key: for programs that may not write SQL."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from headrace.core.contracts import Destination, Session
from headrace.core.errors import InputError
from headrace.core.suggest import did_you_mean
from headrace.core.tables import PAGE, RECORD
from headrace.core.types import ColumnType
from headrace.inspect.order import order_of, typed
from headrace.inspect.rows import ORG, RUNS, distinct, fills, hidden_columns, identity, is_shared
from headrace.inspect.titles import bound, python_value

_CONDITION = re.compile(r"(?P<column>[^=!<>~\s]+)\s*(?:(?P<op>!=|<=|>=|=|<|>|~)(?P<value>.*)|\s(?P<null>is (?:not )?null))",
                        re.DOTALL | re.IGNORECASE)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Selected:
    """``rows`` in the order of ``columns``; ``after`` asks for the page behind them, ``None`` at the end."""

    table: str
    columns: Mapping[str, ColumnType]
    rows: Sequence[Sequence[Any]]
    after: str | None = None


def made_tables(session: Session, destination: Destination, org: str | None = None) -> list[str]:
    """The tables that runs fill; of a database that several organisations fill, those whose rows tell ``org``'s apart
    (``None``: all)."""
    fold = destination.capabilities().fold
    made = {name for run in distinct(session.runs(limit=RUNS)) for name in fills(run, fold)}
    shared = is_shared(session, org)
    return sorted(name for name in made if (columns := session.columns(name)) and (not shared or ORG in columns))


def select(
    session: Session,
    destination: Destination,
    table: str,
    *,
    where: Sequence[str] = (),
    columns: Sequence[str] = (),
    after: str | None = None,
    limit: int = 100,
    org: str | None = None,
) -> Selected:
    """Up to ``limit`` rows of ``table`` behind ``after``. ``where`` are conditions that all hold: ``column=value``,
    ``!=``, ``<``, ``<=``, ``>``, ``>=``, ``~`` (holds the text), ``column is null``, ``column is not null``; values are
    read as the column's type. Sensitive columns can neither be asked for nor compared. For ``org`` as
    :func:`made_tables`. Raises InputError."""
    known = made_tables(session, destination, org)
    name = destination.capabilities().fold(table)
    if name not in known:
        raise InputError(f"there is no table {table!r}{did_you_mean(table, known)}",
                         hint=f"tables: {', '.join(known) or 'none yet'}")  # fmt: skip
    hidden = hidden_columns(session)
    types = {
        column: kind
        for column, kind in session.columns(name).items()
        if column not in (PAGE, RECORD) and kind != "binary" and column.casefold() not in hidden
    }
    for column in columns:
        _known(column, types, name)
    shown = list(columns) or list(types)
    url = destination.url
    conditions, params = [], []
    for text in where:
        condition, values = _condition(text, types, name, url)
        conditions.append(condition)
        params += values
    if is_shared(session, org):
        conditions.append(f"{_quote(ORG)} = ?")
        params.append(org)
    order = order_of(url, identity(session, name), types)
    texts = [f"{text} AS h{i}" for i, text in enumerate(order.selected)]
    texts += [f"{_quote(column)} AS c{i}" for i, column in enumerate(shown)]
    found: list[tuple[Any, ...]] = []
    for span, values in order.spans(session, name, after):
        sql = f"SELECT {', '.join(texts)} FROM {_quote(name)}"
        if every := [*conditions, *([span] if span else [])]:
            sql += f" WHERE {' AND '.join(every)}"
        sql += f" ORDER BY {order.by} LIMIT {int(limit) + 1 - len(found)}"
        found += [tuple(row.values()) for batch in session.query(sql, [*params, *values]) for row in batch.to_pylist()]
        if len(found) > limit:
            break
    first = len(order.selected)
    rows = [
        [_value(value, types[column]) for value, column in zip(row[first:], shown, strict=True)]
        for row in found[:limit]
    ]
    next_page = order.token(found[limit - 1][:first]) if len(found) > limit else None
    return Selected(name, {column: types[column] for column in shown}, rows, next_page)


def _condition(text: str, types: Mapping[str, ColumnType], table: str, url: str) -> tuple[str, list[Any]]:
    match = _CONDITION.fullmatch(text)
    if match is None:
        raise InputError(f"{text!r} is not a condition", hint="write column=value, column>=value or column is null")
    column, op = match["column"], match["op"]
    kind = _known(column, types, table)
    quoted = _quote(column)
    if op is None:
        return f"{quoted} {match['null'].upper()}", []
    if kind == "json":
        raise InputError(f"{column} is JSON: it cannot be compared", hint=f"{column} is null, or another column")
    if op == "~":
        if kind not in ("string", "untyped"):
            raise InputError(f"{column} is no text: ~ is for texts", hint=f"its type is {kind}")
        function = "strpos" if url.startswith("postgres") else "instr"
        return f"{function}({quoted}, ?) > 0", [match["value"]]
    try:
        value = typed(match["value"], kind)
    except ValueError:
        raise InputError(f"{column}: {match['value']!r} is no {kind}") from None
    if kind == "decimal" and url.startswith("sqlite"):  # kept as text there
        return f"CAST({quoted} AS REAL) {op} CAST(? AS REAL)", [str(value)]
    return f"{quoted} {op} ?", [bound(value, url)]


def _value(value: Any, kind: ColumnType) -> Any:
    # SQLite keeps decimals as text.
    return Decimal(value) if kind == "decimal" and isinstance(value, str) else python_value(value, kind)


def _known(column: str, types: Mapping[str, ColumnType], table: str) -> ColumnType:
    if column not in types:
        raise InputError(f"{table} has no column {column!r} that may be shown{did_you_mean(column, types)}",
                         hint=f"columns: {', '.join(types)}")  # fmt: skip
    return types[column]


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
