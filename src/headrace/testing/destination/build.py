"""Pages, groups and checkpoints, built as the crawl builds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import pyarrow as pa

from headrace.core.contracts import Session
from headrace.core.tables import (
    PAGE,
    RECORD,
    Advance,
    Batch,
    Checkpoint,
    Finish,
    Group,
    RawPage,
    Receipt,
    Rejected,
    SchemaChange,
    SliceState,
    StreamKey,
    TableSpec,
    page_id,
)
from headrace.core.types import DECIMAL_PRECISION, DECIMAL_SCALE, ColumnType

START = 1_750_000_000_000_000
"""Wall time of the first page, microseconds since 1970."""
SECOND = 1_000_000
RAW = "raw_pages"

Row = Mapping[str, Any]
Types = Mapping[str, ColumnType]

_ARROW: dict[ColumnType, pa.DataType] = {
    "untyped": pa.string(),
    "bool": pa.bool_(),
    "int": pa.int64(),
    "bigint": pa.int64(),
    "decimal": pa.decimal128(DECIMAL_PRECISION, DECIMAL_SCALE),
    "float": pa.float64(),
    "string": pa.string(),
    "json": pa.string(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "date": pa.date32(),
    "binary": pa.binary(),
}


@dataclass(frozen=True)
class Page:
    """One page of one stream, mapped: what the writer loop takes from its channel."""

    key: StreamKey
    number: int
    fetched_at: int
    batches: tuple[Batch, ...] = ()
    raw: RawPage | None = None
    rejected: tuple[Rejected, ...] = ()
    changes: tuple[SchemaChange, ...] = ()

    @property
    def id(self) -> int:
        return page_id(self.fetched_at, self.key, self.number)


def table(name: str, write: str, columns: Mapping[str, ColumnType | None], **options: Any) -> TableSpec:
    """A spec as the pipeline gives it: merge, scd2 and keyed append tables keep their membership."""
    options.setdefault("membership", write in ("merge", "scd2") or (write == "append" and bool(options.get("key"))))
    return TableSpec(name=name, write=write, columns=columns, **options)  # type: ignore[arg-type]  # a Literal


def typed(spec: TableSpec, types: Types | None = None) -> dict[str, ColumnType]:
    """The types of a spec's columns: those given, else those declared, else untyped."""
    given = types or {}
    return {name: given.get(name, declared or "untyped") for name, declared in spec.columns.items()}


def batch(spec: TableSpec, rows: Sequence[Row], page: int, types: Types | None = None) -> Batch:
    """``rows`` as the mapping hands them over: record numbers are positions."""
    columns = typed(spec, types)
    columns |= {name: kind for name, kind in (types or {}).items() if name not in columns}
    arrays: dict[str, pa.Array[Any]] = {
        name: pa.array([row.get(name) for row in rows], type=_ARROW[kind]) for name, kind in columns.items()
    }
    for name in spec.hidden:
        arrays[name] = pa.array([str(row[name]) for row in rows], type=pa.string())
    arrays[PAGE] = pa.array([page] * len(rows), type=pa.int64())
    arrays[RECORD] = pa.array(range(len(rows)), type=pa.int64())
    return Batch(spec.name, pa.RecordBatch.from_arrays(list(arrays.values()), names=list(arrays)), columns)


def page(
    number: int,
    spec: TableSpec | None = None,
    rows: Sequence[Row] = (),
    *,
    run: str = "run-1",
    slice: str = "",
    at: int | None = None,
    body: bytes | None = b"{}",
    types: Types | None = None,
    changes: Sequence[tuple[str, ColumnType | None, ColumnType]] = (),
) -> Page:
    """Page ``number`` of a stream, fetched ``number`` seconds after :data:`START` unless ``at`` says when.

    ``body=None`` leaves the archive out; ``changes`` are (column, before, after).
    """
    key = StreamKey(run, "extract", slice)
    fetched = START + number * SECOND if at is None else at
    identity = page_id(fetched, key, number)
    return Page(
        key,
        number,
        fetched,
        (batch(spec, rows, identity, types),) if spec is not None else (),
        archived(key, number, fetched, body) if body is not None else None,
        (),
        tuple(SchemaChange(spec.name, *change, page_id=identity) for change in changes) if spec is not None else (),
    )


def archived(key: StreamKey, number: int, fetched_at: int, body: bytes) -> RawPage:
    return RawPage(
        table=RAW,
        run_id=key.run_id,
        step=key.step,
        slice=key.slice,
        page_number=number,
        page_id=page_id(fetched_at, key, number),
        fetched_at=fetched_at,
        url=f"https://api.example/items?page={number}",
        status=200,
        headers='{"content-type":"application/json"}',
        body=body,
    )


def finish(*specs: TableSpec, scope: str = "scope", complete: bool = True, at: int = START + 1000 * SECOND) -> Finish:
    return Finish("extract", scope, complete, tuple(spec.name for spec in specs), at)


def group(
    pages: Sequence[Page],
    expected: Mapping[StreamKey, Checkpoint | None] | None = None,
    *,
    run: str = "run-1",
    scope: str = "scope",
    end: Finish | None = None,
    slices: Sequence[tuple[str, SliceState]] = (),
) -> Group:
    """One commit of ``pages``, which moves each of their streams behind its last page."""
    ordered = sorted(pages, key=lambda each: each.id)
    last: dict[StreamKey, int] = {}
    for each in ordered:
        last[each.key] = max(each.number, last.get(each.key, 0))
    known = expected or {}
    return Group(
        run_id=run,
        scope=scope,
        advances=[Advance(known.get(key), standing(key, number)) for key, number in last.items()],
        batches=[one for each in ordered for one in each.batches],
        pages=[each.raw for each in ordered if each.raw is not None],
        rejected=[one for each in ordered for one in each.rejected],
        changes=[one for each in ordered for one in each.changes],
        slices=slices,
        finish=end,
    )


def standing(key: StreamKey, number: int) -> Checkpoint:
    """The checkpoint behind page ``number``."""
    return Checkpoint(key, number, f"cursor-{number}", attempt=uuid4().hex, rows=number, memo={"last": number})


@dataclass
class Writer:
    """Commits pages through one session, expecting what the session last said."""

    session: Session
    run: str = "run-1"
    scope: str = "scope"

    def prepare(self, *specs: TableSpec) -> Writer:
        self.session.prepare(specs, [RAW])
        return self

    def group(self, *pages: Page, **options: Any) -> Group:
        expected = {each.key: self.session.checkpoint(each.key) for each in pages}
        return group(pages, expected, run=self.run, scope=self.scope, **options)

    def commit(self, *pages: Page, **options: Any) -> Receipt:
        return self.session.commit(self.group(*pages, **options))

    def finish(self, *specs: TableSpec, complete: bool = True, at: int = START + 1000 * SECOND) -> Receipt:
        """The commit without pages that ends the step."""
        end = finish(*specs, scope=self.scope, complete=complete, at=at)
        return self.session.commit(Group(self.run, self.scope, finish=end))

    def next_run(self, run: str, scope: str | None = None) -> Writer:
        return replace(self, run=run, scope=scope or self.scope)
