"""Records as JSON texts through one table, and what comes out."""

from __future__ import annotations

from typing import Any

from headrace.core.contracts import Limits
from headrace.core.tables import Batch
from headrace.mapping.config import Table
from headrace.mapping.mapper import Mapped, Mapper


def mapper(*tables: Table, known: Any = None, limits: Limits | None = None, fold: Any = str) -> Mapper:
    return Mapper(tables, known=known or {}, limits=limits or Limits(), lookup=lambda n: f"<{n}>", fold=fold)


def mapped(table: Table, *records: str, **more: Any) -> Mapped:
    return mapper(table, **more).map(
        ("[" + ",".join(records) + "]").encode(), page_id=9, fetched_at=1_700_000_000_000_000
    )


def column(name: str, spec: Any, *records: str, **more: Any) -> tuple[str, list[Any]]:
    batch = mapped(Table(table="t", columns={name: spec}), *records, **more).batches[0]
    return batch.types[name], batch.rows.column(name).to_pylist()


def rows(batch: Batch) -> list[dict[str, Any]]:
    return [{k: v for k, v in row.items() if not k.startswith("_")} for row in batch.rows.to_pylist()]
