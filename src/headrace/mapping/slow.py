"""The reference: one table's rows record by record, every value by its own text.

Defines what is right; the compiled path must give the same batches.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from headrace.core.contracts import Limits
from headrace.core.errors import ContractBroken
from headrace.core.paths import Path
from headrace.core.types import ColumnType, widen
from headrace.mapping.arrow import array
from headrace.mapping.cells import Cell, Json, Unfit, plain, shown
from headrace.mapping.coerce import check, type_of
from headrace.mapping.plan import ColumnPlan, TablePlan, TableState
from headrace.mapping.rows import Columns, null_key
from headrace.mapping.walk import Element, Node, elements, readable
from headrace.mapping.where import Test


@dataclass
class Page:
    """What a page's rows depend on beside its records."""

    page_id: int
    limits: Limits
    constants: Mapping[str, Cell]
    tests: list[tuple[Path, Test]]


@dataclass
class Rejections:
    """Records with a row that could not be stored: the first reason, and how many more rows."""

    first: dict[int, Unfit] = field(default_factory=dict)
    more: dict[int, int] = field(default_factory=dict)

    def add(self, record: int, unfit: Unfit) -> None:
        if self.first.setdefault(record, unfit) is not unfit:
            self.more[record] = self.more.get(record, 0) + 1

    def only(self, records: set[int]) -> Rejections:
        return Rejections(
            {r: unfit for r, unfit in self.first.items() if r in records},
            {r: more for r, more in self.more.items() if r in records},
        )


def read(
    plan: TablePlan, state: TableState, records: Iterable[tuple[int, bytes]], page: Page
) -> tuple[Columns, Rejections]:
    """The rows of ``records`` (index, text); brings the types of ``state`` up to date.

    A row that cannot be stored is left out alone. Raises ContractBroken under ``contract: freeze``.
    """
    rows: list[dict[str, Cell]] = []
    places: list[int] = []
    rejections = Rejections()
    for index, raw in records:
        try:
            readable(raw)
            found = list(elements(Node(raw), plan.each))
        except Unfit as unfit:
            rejections.add(index, unfit)
            continue
        for element in found:
            try:
                if _passes(element, page):
                    row = _row(plan, state, element, page)
                    if state.withheld:
                        raise Unfit(
                            f"table {plan.spec.name!r} does not exist, and its contract for tables is quarantine"
                        )
                    _evolve(plan, state, row, index)
                    rows.append(row)
                    places.append(index)
            except Unfit as unfit:
                rejections.add(index, unfit)
    arrays = {name: array((row.get(name) for row in rows), column) for name, column in state.types.items()}

    def values(name: str) -> list[Any]:
        return [plain(row.get(name)) for row in rows]

    return Columns(arrays, places, values), rejections


def _passes(element: Element, page: Page) -> bool:
    return all(test([node.cell() for node in element.all(path)]) for path, test in page.tests)


def _row(plan: TablePlan, state: TableState, element: Element, page: Page) -> dict[str, Cell]:
    inside = element.node.children
    if not isinstance(inside, dict):
        fits = plan.takes_scalars or (plan.takes_lists and isinstance(inside, list))
        if not fits:
            what = "record" if plan.each is None else "element"
            raise Unfit(f"the {what} is not an object: {shown(element.node.cell())}")
    row: dict[str, Cell] = {}
    if plan.spec.open_ended:
        assert isinstance(inside, dict)
        for original, node in inside.items():
            column = state.names.column(original)
            cell = node.cell()
            check(cell, page.limits, column)
            row[column] = cell
        _count(plan, state, row)
    for column_plan in plan.columns:
        if column_plan.constant:
            row[column_plan.name] = page.constants[column_plan.name]
        else:
            row[column_plan.name] = column_plan.complete(_origin(column_plan, element), page.limits)
    missing = [name for name in plan.spec.key if row.get(name) is None]
    if missing:
        raise Unfit(null_key(missing[:1]), missing[0])
    return row


def _count(plan: TablePlan, state: TableState, row: Mapping[str, Cell]) -> None:
    new = [name for name in row if name not in state.types]
    if plan.max_columns is not None and new and len(state.types) + len(new) > plan.max_columns:
        raise Unfit(
            f"field {new[-1]!r} would make {len(state.types) + len(new)} columns; "
            f"this destination takes {plan.max_columns} beside the engine's own",
            new[-1],
        )


def _origin(column: ColumnPlan, element: Element) -> Cell:
    if column.key is not None:
        return element.keys[column.key - 1]
    for path in column.paths:
        node = element.at(path)
        if node is not None and not node.is_null:
            exact = column.declared == "json" and not column.functions
            return Json(node.raw.decode()) if exact else node.cell()
    return None


def _evolve(plan: TablePlan, state: TableState, row: Mapping[str, Cell], record: int) -> None:
    """Take the row's types into the state, or none of them."""
    declared = {column.name: column.declared for column in plan.columns}
    fresh: dict[str, ColumnType] = {}
    for name, cell in row.items():
        before = state.types.get(name)
        found: ColumnType = "untyped" if cell is None else type_of(cell, declared.get(name))
        after = widen(before or "untyped", found)
        if after == before:
            continue
        _hold_to_contract(plan, state, name, before, after, cell, record)
        fresh[name] = after
    state.types.update(fresh)
    if plan.spec.open_ended:
        own = set(row)
        for original, column in state.names.columns.items():
            if column in own and original not in state.fields:
                state.fields[original] = column


def _hold_to_contract(
    plan: TablePlan, state: TableState, name: str, before: ColumnType | None, after: ColumnType, cell: Cell, record: int
) -> None:
    """Refuse a change that the contract forbids: a first type is none, nor is a column of the first rows."""
    what = "columns" if before is None else "types"
    mode = plan.contract.columns if before is None else plan.contract.types
    if mode == "evolve" or before == "untyped" or (before is None and not state.established):
        return
    change = f"would widen from {before} to {after}" if before else f"is new ({after})"
    hidden = any(column.sensitive for column in plan.columns if column.name == name)
    reason = f"column {name!r} {change} for {'a value (sensitive: not shown)' if hidden else shown(cell)}"
    if mode == "quarantine":
        raise Unfit(f"{reason}; the table's contract for {what} is quarantine", name)
    raise ContractBroken(
        f"table {plan.spec.name!r}, record {record}: {reason}, which its contract ({what}: freeze) forbids",
        hint=f"contract: {{{what}: evolve}} lets it in, {{{what}: quarantine}} keeps such records aside, and columns with their "
        "types say what is stored: change the file and run it again under this --run-id with --adopt",
    )
