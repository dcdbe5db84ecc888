"""The compiled path of a step: decode a page once, build every table from it, learn from what it refuses."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from headrace.core.contracts import Limits
from headrace.core.paths import Path
from headrace.mapping import fast, slow
from headrace.mapping.cells import Unfit
from headrace.mapping.elements import TableSources
from headrace.mapping.functions import FUNCTIONS
from headrace.mapping.plan import ColumnPlan, TablePlan, TableState
from headrace.mapping.rows import Columns, merged, take
from headrace.mapping.slow import Page, Rejections
from headrace.mapping.tree import Source, Spot, compilable, compile_tree, observe, places
from headrace.mapping.vectors import Refused, Vectors
from headrace.mapping.walk import Node, readable, texts

_AT = re.compile(r"`\$\[(\d+)\]")
_ATTEMPTS = 12
_PROBES = 50
"""Records that the reference reads to learn from."""
_EPOCHS = frozenset({FUNCTIONS["epoch_seconds"], FUNCTIONS["epoch_millis"]})

Result = tuple[Columns, Rejections, TableState]
Aside = tuple[TableState, Columns | None, Rejections]


class Records:
    """The records of a page: together, and one by one when needed."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        self._each: list[bytes] | None = None

    @property
    def each(self) -> list[bytes]:
        if self._each is None:
            self._each = texts(self.text)
        return self._each


class Compiled:
    """Keeps the tree of a step's tables and its decoder."""

    def __init__(self, plans: Sequence[TablePlan], where: Sequence[Sequence[Path]], limits: Limits) -> None:
        self._plans, self._limits = plans, limits
        self._root = Spot()
        self._sources = [_sources(self._root, plan, paths) for plan, paths in zip(plans, where, strict=True)]
        self._with_fields: list[TableSources | None] = []
        self._decode: Callable[[bytes], list[Any]] | None = None
        self._seen: object = None
        self._compiled_for: list[TableState] = []

    def read(
        self, records: Records, states: Sequence[TableState], pages: Sequence[Page]
    ) -> tuple[list[Result], int] | None:
        """The rows of each table and the number of records; ``None`` when the reference has to read it all."""
        excluded: set[int] = set()
        if fast.suspicious(records.text, self._limits):
            excluded = {i for i, raw in enumerate(records.each) if fast.suspicious(raw, self._limits)}
        probes: set[int] = set() if self._root.kinds else set(range(min(_PROBES, len(records.each)))) - excluded
        excluded.update(record for record in probes if not _is_readable(records.each[record]))
        # Columns of open-ended tables stand in order of first appearance. Records that are looked at out of
        # order must not bring new ones.
        settled = _fields(states) if excluded else None
        for _ in range(_ATTEMPTS):
            if len(excluded) > max(_PROBES, len(records.each) // 5 if excluded else 0):
                return None
            tentative = self._tentative(records, states, pages, probes - excluded, excluded)
            if settled is not None and _fields([state for state, *_ in tentative]) != settled:
                return None
            self._grow(tentative)
            if not compilable(self._root):
                return None
            for record in probes - excluded:
                observe(self._root, Node(records.each[record]))
            try:
                return self._attempt(records, states, pages, tentative, excluded)
            except Refused as refused:
                new = [record for record in refused.records if record not in excluded]
                if not new:
                    return None
                if not refused.decoding and settled is None:
                    settled = _fields([state for state, *_ in tentative])
                if probes.isdisjoint(new):
                    probes.update(new[:_PROBES])
                else:
                    excluded.update(new)
        return None

    def _grow(self, tentative: Sequence[Aside]) -> None:
        """Give the tree the fields that open-ended tables have by now."""
        for sources, (state, *_) in zip(self._sources, tentative, strict=True):
            if sources is not None:
                for original in state.fields:
                    sources.places.element.child(original)

    def _tentative(
        self,
        records: Records,
        states: Sequence[TableState],
        pages: Sequence[Page],
        probes: set[int],
        excluded: set[int],
    ) -> list[Aside]:
        """Each table's state after the records that are looked at, and the rows of those that stay aside."""
        if not (probes or excluded):
            return [(state, None, Rejections()) for state in states]
        looked_at = [(i, records.each[i]) for i in sorted(probes | excluded)]
        found: list[Aside] = []
        for plan, before, page in zip(self._plans, states, pages, strict=True):
            state = before.copy()
            columns, rejections = slow.read(plan, state, looked_at, page)
            found.append((state, _only(columns, excluded), rejections.only(excluded)))
        return found

    def _attempt(
        self,
        records: Records,
        states: Sequence[TableState],
        pages: Sequence[Page],
        tentative: Sequence[Aside],
        excluded: set[int],
    ) -> tuple[list[Result], int]:
        decode = self._compile([state for state, *_ in tentative])
        good = [i for i in range(len(records.each)) if i not in excluded] if excluded else None
        decoded = _decoded(decode, records, good)
        results: list[Result] = []
        try:
            vectors = Vectors(self._root, decoded)
            for at, (plan, (state, others, rejections), page) in enumerate(
                zip(self._plans, tentative, pages, strict=True)
            ):
                sources = self._with_fields[at]
                if sources is None:
                    state = states[at].copy()
                    results.append((*slow.read(plan, state, enumerate(records.each), page), state))
                    continue
                columns = fast.read(plan, state, sources, vectors, page)
                if good is not None and others is not None:
                    columns.records = [good[i] for i in columns.records]
                    columns = merged(columns, others)
                results.append((columns, rejections, state))
        except Refused as refused:
            raise Refused([good[i] for i in refused.records] if good is not None else refused.records) from None
        return results, len(decoded) + len(excluded)

    def _compile(self, states: Sequence[TableState]) -> Callable[[bytes], list[Any]]:
        """Bring the decoder up to date with what was seen and with the columns' types."""
        if self._decode is not None and all(map(operator.is_, states, self._compiled_for)):
            return self._decode  # a page that taught nothing leaves the very same states
        self._compiled_for = list(states)
        seen = (_kinds(self._root), [(dict(s.types), dict(s.fields)) for s in states])
        if self._decode is not None and seen == self._seen:
            return self._decode
        self._with_fields = []
        _forget(self._root)
        for plan, state, sources in zip(self._plans, states, self._sources, strict=True):
            if sources is not None and plan.spec.open_ended:
                sources = _with_fields(plan, state, sources)
            self._with_fields.append(sources)
            if sources is not None:
                _require(state, sources)
        of = compile_tree(self._root)
        self._decode = msgspec.json.Decoder(list[of]).decode  # type: ignore[valid-type]  # a type made at run time
        self._seen = (_kinds(self._root), seen[1])
        return self._decode


def _is_readable(raw: bytes) -> bool:
    try:
        readable(raw)
    except Unfit:
        return False
    return True


def _fields(states: Sequence[TableState]) -> list[int]:
    return [len(state.fields) for state in states]


def _only(columns: Columns, records: set[int]) -> Columns:
    return take(columns, [row for row, record in enumerate(columns.records) if record in records])


def _decoded(decode: Callable[[bytes], list[Any]], records: Records, good: list[int] | None) -> list[Any]:
    text = records.text if good is None else b"[" + b",".join(records.each[i] for i in good) + b"]"
    try:
        return decode(text)
    except msgspec.ValidationError as error:
        place = _AT.search(str(error).rpartition(" - at ")[2])
        at = [int(place.group(1))] if place else []
    except (msgspec.DecodeError, RecursionError):
        raise Refused([i for i, raw in enumerate(records.each) if not _is_readable(raw)]) from None
    raise Refused([good[i] for i in at] if good is not None else at, decoding=True)


def _sources(root: Spot, plan: TablePlan, where: Sequence[Path]) -> TableSources | None:
    found = places(root, plan.each)
    if found is None:
        return None
    return TableSources(
        found,
        tuple((column, tuple(map(found.source, column.paths))) for column in plan.columns),
        tuple(map(found.source, where)),
    )


def _with_fields(plan: TablePlan, state: TableState, sources: TableSources) -> TableSources | None:
    """The sources with every field that is a column; ``None`` while the tree has others there."""
    element = sources.places.element
    if set(element.fields) - set(state.fields):
        return None
    element.open = True
    fields = []
    for original, name in state.fields.items():
        spot = element.child(original)
        spot.leaf = True
        fields.append(
            (
                ColumnPlan(name, original, paths=(Path((original,), original),)),
                (Source(len(sources.places.anchors) - 1, spot),),
            )
        )
    return TableSources(sources.places, sources.columns, sources.where, tuple(fields))


def _require(state: TableState, sources: TableSources) -> None:
    """Mark the spots whose own text is needed."""
    for column, origins in (*sources.columns, *sources.fields):
        whole = state.types.get(column.name) in ("int", "bigint") and not column.functions
        for source in origins:
            spot = source.spot
            loose = "int" in spot.kinds and not (whole or _EPOCHS.issuperset(column.functions or (None,)))
            as_json = column.declared == "json" and not column.functions
            spot.exact = spot.exact or bool(source.rest) or as_json or loose
    for source in sources.where:
        source.spot.exact = source.spot.exact or bool(source.rest)


def _forget(spot: Spot) -> None:
    spot.exact = spot.open = False
    for child in spot.fields.values():
        _forget(child)
    if spot.star is not None:
        _forget(spot.star)


def _kinds(spot: Spot) -> tuple[Any, ...]:
    return (frozenset(spot.kinds), *map(_kinds, spot.fields.values()), _kinds(spot.star) if spot.star else None)
