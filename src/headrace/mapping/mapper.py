"""Pages in, batches out: the one entrance of this room."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headrace.core.contracts import Limits
from headrace.core.errors import ContractBroken, InputError
from headrace.core.gather import gathered
from headrace.core.paths import parse
from headrace.core.tables import Batch, Rejected, SchemaChange, TableSpec
from headrace.core.templates import Lookup, render_tree
from headrace.core.types import ColumnType
from headrace.mapping import slow
from headrace.mapping.cells import Cell, Moment, Unfit, from_python, iso_of
from headrace.mapping.compiled import Compiled, Records, Result
from headrace.mapping.config import Table
from headrace.mapping.plan import TablePlan, TableState, table_plan, table_state
from headrace.mapping.rows import Provenance, batch, null_key
from headrace.mapping.slow import Page, Rejections
from headrace.mapping.spec import table_specs
from headrace.mapping.where import tests


@dataclass(frozen=True, slots=True)
class Mapped:
    """What pages became: one, or several together. ``count`` is their records; ``changes`` are columns that are new
    or wider."""

    batches: tuple[Batch, ...]
    rejected: tuple[Rejected, ...]
    changes: tuple[SchemaChange, ...]
    count: int


@dataclass(frozen=True, slots=True)
class PageText:
    """A page to be mapped: the text of a JSON array of ``count`` records, and when it was fetched (microseconds since
    1970)."""

    records: bytes
    count: int
    page_id: int
    fetched_at: int


class Mapper:
    """Turns the pages of one step into batches; called from one thread, pages in commit order.

    ``known`` has the column types that each table has in the destination, by folded name. ``lookup``
    gives the ``{variables}`` and is asked again for each page; ``{fetched_at}`` is the page's own.
    The only state is the types of the columns, so the same pages in the same order give the same
    batches. Raises PipelineFileError for tables that contradict themselves.
    """

    def __init__(
        self,
        tables: Sequence[Table],
        *,
        known: Mapping[str, Mapping[str, ColumnType]],
        limits: Limits,
        lookup: Lookup,
        fold: Callable[[str], str] = str,
    ) -> None:
        self.specs: tuple[TableSpec, ...] = table_specs(tables, fold)
        self._limits = limits
        self._lookup = lookup
        self._plans = [table_plan(t, spec, fold, limits) for t, spec in zip(tables, self.specs, strict=True)]
        self._states = [table_state(p, known.get(p.spec.name, {}), fold, limits) for p in self._plans]
        self.withheld = frozenset(p.spec.name for p, s in zip(self._plans, self._states, strict=True) if s.withheld)
        """Tables that do not exist and that no answer may make: all of their records are rejected."""
        where = [[parse(path) for path in plan.where] for plan in self._plans]
        self._compiled = Compiled(self._plans, where, limits)
        self._timed = any("{fetched_at" in repr((p.where, [c.value for c in p.columns])) for p in self._plans)
        """Rows depend on when their own page was fetched."""
        self._reported = [dict(known.get(p.spec.name, {})) for p in self._plans]

    def map(self, records: bytes, *, page_id: int, fetched_at: int) -> Mapped:
        """The batches of one page. ``records`` is the text of a JSON array; ``fetched_at`` is in
        microseconds since 1970. Raises ContractBroken under ``contract: freeze``; nothing is taken in then."""
        page = [self._page(plan, page_id, fetched_at) for plan in self._plans]
        held = Records(records)
        read = None if self.withheld else self._compiled.read(held, self._states, page)
        results, count = read if read is not None else self._reference(held, page)
        return self._mapped(held, results, count, [PageText(records, count, page_id, fetched_at)])

    def map_together(self, pages: Sequence[PageText]) -> Mapped | None:
        """What :meth:`map` makes of these pages one after the other, as one batch a table; costs half as much where
        pages are short. ``None``, with nothing taken in, when only page by page tells what they change."""
        if self.withheld or self._timed:
            return None
        held = Records(_joined([page.records.strip() for page in pages if page.count]))
        page = [self._page(plan, pages[0].page_id, pages[0].fetched_at) for plan in self._plans]
        try:
            read = self._compiled.read(held, self._states, page)
        except ContractBroken:
            return None
        if read is None or read[1] != sum(page.count for page in pages):
            return None
        if any(state != before for (_, _, state), before in zip(read[0], self._states, strict=True)):
            return None
        return self._mapped(held, *read, pages)

    def gather(self, batches: Sequence[Batch]) -> Sequence[Batch]:
        """The rows of these batches, in fewer: one for each table where to copy them pays."""
        return gathered(batches)

    def _mapped(self, held: Records, results: Sequence[Result], count: int, pages: Sequence[PageText]) -> Mapped:
        provenance = Provenance.of((page.page_id, page.count) for page in pages)
        batches: list[Batch] = []
        rejected: list[Rejected] = []
        changes: list[SchemaChange] = []
        for at, (plan, (columns, rejections, state)) in enumerate(zip(self._plans, results, strict=True)):
            made, keyless = batch(plan, state, columns, provenance)
            for record, column in keyless:
                rejections.add(record, Unfit(null_key([column]), column))
            if made is not None:
                batches.append(made)
                state.established = True
            rejected += _rejected(plan, rejections, held, provenance)
            changes += self._changes(at, state, pages[0].page_id)
            self._states[at] = state
        return Mapped(tuple(batches), tuple(rejected), tuple(changes), count)

    def _reference(self, records: Records, pages: Sequence[Page]) -> tuple[list[Result], int]:
        results: list[Result] = []
        for plan, before, page in zip(self._plans, self._states, pages, strict=True):
            state = before.copy()
            results.append((*slow.read(plan, state, enumerate(records.each), page), state))
        return results, len(records.each)

    def _page(self, plan: TablePlan, page_id: int, fetched_at: int) -> Page:
        lookup = _with_time(self._lookup, fetched_at)
        constants: dict[str, Cell] = {}
        for column in plan.columns:
            if column.constant:
                try:
                    cell = from_python(_rendered(column.value, lookup, fetched_at))
                    constants[column.name] = column.complete(cell, self._limits)
                except Unfit as unfit:
                    raise InputError(unfit.reason, place=f"table {plan.spec.name!r}") from None
        return Page(page_id, self._limits, constants, tests(plan.where, lookup))

    def _changes(self, at: int, state: TableState, page_id: int) -> list[SchemaChange]:
        spec, reported = self.specs[at], self._reported[at]
        found = []
        for name, column in state.types.items():
            before = reported.get(name)
            expected = spec.columns.get(name, None) or "untyped"
            as_declared = before is None and (name in spec.columns or name in spec.hidden) and column == expected
            if column != before and not as_declared and name not in spec.hidden:
                found.append(SchemaChange(spec.name, name, before, column, page_id))
            reported[name] = column
        return found


def _joined(arrays: Sequence[bytes]) -> bytes:
    """One JSON array of the records of several, none of them empty; copied once."""
    parts: list[bytes | memoryview] = []
    for array in arrays:
        parts += (b",", memoryview(array)[1:-1])
    return b"".join((b"[", *parts[1:], b"]"))


def _with_time(lookup: Lookup, fetched_at: int) -> Lookup:
    return lambda name: iso_of(fetched_at) if name == "fetched_at" else lookup(name)


def _rendered(value: Any, lookup: Lookup, fetched_at: int) -> Any:
    return Moment(fetched_at) if value == "{fetched_at}" else render_tree(value, lookup)


def _rejected(plan: TablePlan, rejections: Rejections, records: Records, provenance: Provenance) -> list[Rejected]:
    found = []
    for record, unfit in sorted(rejections.first.items()):
        more = rejections.more.get(record, 0)
        reason = f"{unfit.reason} (and {more} more of its rows)" if more else unfit.reason
        page_id, place = provenance.pages[record], provenance.records[record]
        found.append(Rejected(plan.spec.name, page_id, place, reason, unfit.column, records.each[record]))
    return found
