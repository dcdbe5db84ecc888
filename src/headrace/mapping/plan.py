"""A table as the mapper works on it: paths parsed, functions looked up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from headrace.core.contracts import Limits
from headrace.core.paths import Path, Star, parse
from headrace.core.tables import TableSpec
from headrace.core.templates import names
from headrace.core.types import ColumnType, widen
from headrace.mapping.cells import Cell, Unfit, from_python
from headrace.mapping.coerce import check, declare
from headrace.mapping.config import ChangeHash, Column, Contract, Prefer, Table
from headrace.mapping.functions import FUNCTIONS
from headrace.mapping.naming import ENGINE, Names
from headrace.mapping.spec import RowForm, declared_columns


@dataclass(frozen=True, slots=True)
class ColumnPlan:
    """One column: where its value comes from and what is done to it."""

    name: str
    """Folded."""
    label: str
    """As the file writes it."""
    paths: tuple[Path, ...] = ()
    key: int | None = None
    value: Any = None
    declared: ColumnType | None = None
    functions: tuple[Callable[[Cell], Cell], ...] = ()
    default: Cell = None
    sensitive: bool = False

    @property
    def constant(self) -> bool:
        return not self.paths and self.key is None

    @property
    def plain(self) -> bool:
        """The value is stored as it was sent."""
        return not self.functions and self.default is None

    def complete(self, cell: Cell, limits: Limits) -> Cell:
        """Functions, default, declared type, limits. Raises :class:`Unfit`."""
        try:
            for function in self.functions:
                if cell is None:
                    break
                cell = function(cell)
        except Unfit as unfit:
            reason = "its value does not fit (sensitive: not shown)" if self.sensitive else unfit.reason
            raise Unfit(f"column {self.name!r}: {reason}", self.name) from None
        if cell is None:
            cell = self.default
        if cell is None:
            return None
        try:
            if self.declared is not None:
                cell = declare(cell, self.declared, self.name)
            check(cell, limits, self.name)
        except Unfit:
            if self.sensitive:
                reason = f"column {self.name!r}: its value is no {self.declared or 'value that can be stored'}"
                raise Unfit(f"{reason} (sensitive: not shown)", self.name) from None
            raise
        return cell


@dataclass(frozen=True, slots=True)
class TablePlan:
    """One table."""

    spec: TableSpec
    each: Path | None
    columns: tuple[ColumnPlan, ...]
    """Declared and hidden columns."""
    where: Mapping[str, Any]
    prefer: tuple[Prefer, ...]
    contract: Contract
    hashed: bool
    hash_without: frozenset[str]
    takes_scalars: bool
    """A path takes the element itself."""
    takes_lists: bool
    max_columns: int | None


@dataclass
class TableState:
    """What changes from page to page."""

    types: dict[str, ColumnType]
    """Every column of the batches by its type so far."""
    established: bool
    """Rows were stored before: under ``freeze`` and ``quarantine`` no column may be added any more."""
    withheld: bool
    """The table does not exist, and its contract does not let it be made: every record is rejected."""
    names: Names
    fields: dict[str, str] = field(default_factory=dict)
    """Open-ended tables: field to column, of the fields that are columns."""

    def copy(self) -> TableState:
        return TableState(dict(self.types), self.established, self.withheld, self.names.copy(), dict(self.fields))

    def changed(self, column: str, found: ColumnType) -> ColumnType:
        return widen(self.types.get(column, "untyped"), found)


def table_plan(table: Table, spec: TableSpec, fold: Callable[[str], str], limits: Limits) -> TablePlan:
    """The plan of a checked table."""
    declared = declared_columns(table)
    hidden = table.hidden if isinstance(table, RowForm) else {}
    columns = [_column(fold(name), name, column, column.type) for name, column in declared.items()]
    columns += [_column(fold(name), name, column, "string") for name, column in hidden.items()]
    own = [p for c in columns for p in c.paths if not (p.segments and _leads_up(p))]
    change = table.change_hash if isinstance(table.change_hash, ChangeHash) else ChangeHash()
    return TablePlan(
        spec=spec,
        each=parse(table.each) if table.each is not None else None,
        columns=tuple(columns),
        where=table.where,
        prefer=tuple(rule.model_copy(update={"column": fold(rule.column)}) for rule in table.prefer),
        contract=table.contracted,
        hashed=bool(table.change_hash) or table.disposition == "scd2",
        hash_without=frozenset({*map(fold, change.without), *([spec.hash_column] if spec.hash_column else [])}),
        takes_scalars=table.columns is not None
        and (any(not p.segments for p in own) or not (own or table.each is None)),
        takes_lists=table.columns is not None
        and any(not p.segments or isinstance(p.segments[0], int | Star) for p in own),
        max_columns=limits.max_columns - len(ENGINE) if limits.max_columns is not None else None,
    )


def _leads_up(path: Path) -> bool:
    return path.text.startswith("^")


def _column(name: str, label: str, column: Column, declared: ColumnType | None) -> ColumnPlan:
    written = [] if column.path is None else [column.path] if isinstance(column.path, str) else column.path
    return ColumnPlan(
        name=name,
        label=label,
        paths=tuple(map(parse, written)),
        key=column.key,
        value=column.value,
        declared=declared,
        functions=tuple(FUNCTIONS[f] for f in column.apply),
        default=from_python(column.default),
        sensitive=column.sensitive,
    )


def table_state(
    plan: TablePlan, known: Mapping[str, ColumnType], fold: Callable[[str], str], limits: Limits
) -> TableState:
    """The state before the first page, given the columns that the destination has."""
    spec = plan.spec
    declared: dict[str, ColumnType | None] = {**spec.columns, **dict.fromkeys(spec.hidden, "string")}
    types: dict[str, ColumnType] = {}
    for name, column in declared.items():
        types[name] = widen(column or "untyped", known.get(name, "untyped"))
    if spec.open_ended:
        reserved = frozenset(
            {*map(fold, ENGINE), *limits.own_columns, *(c.name for c in plan.columns), *spec.extra_columns}
        )
        for name, column in known.items():
            if name not in reserved:
                types.setdefault(name, column)
    else:
        reserved = frozenset()
    established = spec.open_ended and any(
        column != "untyped" and name not in spec.columns and name not in reserved for name, column in known.items()
    )
    withheld = spec.when_absent == "withhold" and not known
    return TableState(types, established, withheld, Names(fold, reserved, frozenset(known), limits.max_name))


def uses_variables(value: Any) -> bool:
    """Whether a constant has holes to fill."""
    if isinstance(value, str):
        return any(True for _ in names(value)) or "{{" in value or "}}" in value
    if isinstance(value, Mapping):
        return any(map(uses_variables, value.values()))
    return isinstance(value, Sequence) and any(map(uses_variables, value))
