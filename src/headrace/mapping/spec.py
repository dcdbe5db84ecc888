"""What the file says about tables, as the destinations take it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Literal

from pydantic import Field, model_validator

from headrace.core.errors import PipelineFileError
from headrace.core.paths import Up, parse
from headrace.core.tables import TableSpec
from headrace.core.types import ColumnType
from headrace.mapping.config import ChangeHash, Column, ContractMode, RemovalRule, Table, TableTarget, Transform
from headrace.mapping.naming import ENGINE, check_folds


class RowForm(Table):
    """The table of a step without ``tables``; never written in a file."""

    added: dict[str, Column] = Field(default_factory=dict)
    """Columns beside the record's own fields."""
    hidden: dict[str, Column] = Field(default_factory=dict)
    """Key columns that the table lacks."""

    @model_validator(mode="after")
    def _consistent(self) -> RowForm:
        return self


def legacy_table(target: TableTarget, transform: Transform) -> Table:
    """The row form without ``tables``: ``org_slug, raw_data, extracted_at``, or each field a column
    (``flatten``) with ``org_slug`` and ``extracted_at``; ``add_fields`` in both.

    ``key_fields`` are paths in the record; in the flattened form a plain name is the field's column. The key begins
    with ``org_slug``: rows of two organisations never meet.
    """
    engine = {
        "org_slug": Column(value="{org_slug}", type="string"),
        "extracted_at": Column(value="{fetched_at}", type="timestamp"),
    }
    extra = {name: Column(value=value) for name, value in transform.add_fields.items()}
    if transform.flatten:
        added = {**engine, **extra}
        own = {field: f"_{field}" if field in ENGINE or field in added else field for field in target.key_fields}
        hidden = {own[f]: Column(path=f) for f in target.key_fields if _is_nested(f)}
        columns = None
    else:
        added = {}
        columns = {
            "org_slug": engine["org_slug"],
            "raw_data": Column(path="", type="json"),
            "extracted_at": engine["extracted_at"],
            **extra,
        }
        own = {field: f"_{field}" if field in columns else field for field in target.key_fields}
        hidden = {own[f]: Column(path=f) for f in target.key_fields}
    return RowForm(
        table=target.table,
        key=["org_slug", *(own[f] for f in target.key_fields)] if target.key_fields else [],
        columns=dict(columns) if columns is not None else None,
        write="append",
        removals=False,
        added=added,
        hidden=hidden,
    )


def _is_nested(field: str) -> bool:
    return len(parse(field).segments) != 1


def declared_columns(table: Table) -> dict[str, Column]:
    """The columns that the file names, in order; hidden ones are not among them."""
    named = {name: Column(path=c) if isinstance(c, str) else c for name, c in (table.columns or {}).items()}
    return {**named, **(table.added if isinstance(table, RowForm) else {})}


def table_specs(tables: Sequence[Table], fold: Callable[[str], str] = str) -> tuple[TableSpec, ...]:
    """The specs of a step's tables, names folded. Raises PipelineFileError with every problem."""
    problems: list[str] = []
    specs = [_spec(table, fold, problems) for table in tables]
    names = [spec.name for spec in specs]
    problems += [f"table {name!r} is declared twice" for name in sorted({n for n in names if names.count(n) > 1})]
    if problems:
        raise PipelineFileError(problems)
    return tuple(specs)


def _spec(table: Table, fold: Callable[[str], str], problems: list[str]) -> TableSpec:
    columns = declared_columns(table)
    problems += _path_problems(table, columns)
    change = table.change_hash if isinstance(table.change_hash, ChangeHash) else ChangeHash()
    hashed = bool(table.change_hash) or table.disposition == "scd2"
    hidden = tuple(fold(name) for name in table.hidden) if isinstance(table, RowForm) else ()
    types: dict[str, ColumnType | None] = {fold(name): column.type for name, column in columns.items()}
    if table.columns is None:
        types |= {fold(key): None for key in table.key if fold(key) not in hidden and fold(key) not in types}
    if hashed and change.column:
        types.setdefault(fold(change.column), "string")
    try:
        check_folds(table.table, [*columns, *([change.column] if hashed and change.column else [])], fold)
    except ValueError as error:
        problems.append(str(error))
    written = {**table.on_insert, **{name: v for sets in table.on_change.values() for name, v in sets.items()}}
    rule = table.removals if isinstance(table.removals, RemovalRule) else RemovalRule()
    watched = table.disposition == "append" or (table.disposition in ("merge", "scd2") and bool(table.removals))
    return TableSpec(
        name=fold(table.table),
        write=table.disposition,
        columns=types,
        key=tuple(map(fold, table.key)),
        missing=table.missing,
        hash_column=fold(change.column) if hashed and change.column else None,
        hash_without=frozenset(map(fold, change.without)),
        on_insert={fold(name): value for name, value in table.on_insert.items()},
        on_change={
            fold(column): {fold(name): value for name, value in sets.items()}
            for column, sets in table.on_change.items()
        },
        extra_columns={fold(name): constant_type(value) for name, value in written.items() if fold(name) not in types},
        staging=fold(table.staging) if table.staging else None,
        open_ended=table.columns is None,
        hidden=hidden,
        membership=bool(table.key) and watched,
        removed_after=rule.after_missing or 1,
        removed_share=rule.max_share,
        sensitive=tuple(fold(name) for name, column in columns.items() if column.sensitive),
        when_absent=_WHEN_ABSENT[table.contracted.tables],
    )


_WHEN_ABSENT: Mapping[ContractMode, Literal["create", "refuse", "withhold"]] = {
    "evolve": "create", "freeze": "refuse", "quarantine": "withhold",
}  # fmt: skip


def _path_problems(table: Table, columns: Mapping[str, Column]) -> list[str]:
    each = parse(table.each) if table.each is not None else None
    found: list[str] = []
    if each is not None and any(isinstance(s, Up) for s in each.segments):
        found.append(f"table {table.table!r}: each: {each} starts at the record and cannot use ^")
    stars = each.stars if each is not None else 0
    every = [(f"column {n!r}", p) for n, c in columns.items() for p in _paths(c)] + [("where", p) for p in table.where]
    for place, text in every:
        up = next((s.level for s in parse(text).segments if isinstance(s, Up)), 0)
        if up > stars:
            found.append(f"table {table.table!r}, {place}: ^{up} but each has {stars} *")
    found += [
        f"table {table.table!r}, column {name!r}: key: {column.key} but each has {stars} *"
        for name, column in columns.items()
        if column.key is not None and column.key > stars
    ]
    known = set(columns) | set(table.key)
    if table.columns is not None:
        found += [
            f"table {table.table!r}: prefer names column {rule.column!r}, which is not among the columns"
            for rule in table.prefer
            if rule.column not in known
        ]
    return found


def _paths(column: Column) -> list[str]:
    if column.path is None:
        return []
    return [column.path] if isinstance(column.path, str) else list(column.path)


def constant_type(value: Any) -> ColumnType:
    """The column type of a constant of the file."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int"
    if isinstance(value, float):
        return "float"
    if isinstance(value, datetime):
        return "timestamp"
    if isinstance(value, date):
        return "date"
    if isinstance(value, dict | list):
        return "json"
    return "string"
