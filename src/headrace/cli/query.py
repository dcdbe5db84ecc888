"""``headrace query``."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headrace.cli import _options

if TYPE_CHECKING:
    import pyarrow as pa

TABLE_ROWS = 100


@click.command("query")
@click.argument("sql")
@click.option(
    "--format", "form", type=click.Choice(["table", "csv", "json", "jsonl"]), default="table", show_default=True,
    help="How rows are written.",
)  # fmt: skip
@click.option(
    "--limit", type=click.IntRange(0), help=f"At most this many rows; 0: all (table: {TABLE_ROWS}, others: all)."
)
@_options.destination
@_options.state
def command(sql: str, form: str, limit: int | None, destination: str | None, state: Path | None) -> int:
    """Run one SELECT on the destination; it cannot change anything. SQL of `-` is read from stdin."""
    from headrace.cli import _database

    if sql == "-":
        sql = sys.stdin.read()
    target = _database.resolve(destination, state)
    bound = limit if limit is not None else TABLE_ROWS if form == "table" else 0
    with _database.opened(target, state) as session:
        batches = session.query(sql)
        if form == "table":
            _as_table(batches, bound)
        elif form == "csv":
            _as_csv(batches, bound)
        else:
            _as_json(batches, bound, lines=form == "jsonl")
    return 0


def _rows(batches: Iterator[pa.RecordBatch], bound: int) -> Iterator[tuple[Any, ...]]:
    return islice(_tuples(batches), bound or None)


def _tuples(batches: Iterator[pa.RecordBatch]) -> Iterator[tuple[Any, ...]]:
    for batch in batches:
        columns: list[list[Any]] = [column.to_pylist() for column in batch.columns]
        yield from zip(*columns, strict=True)


def _peek(batches: Iterator[pa.RecordBatch]) -> tuple[list[str], Iterator[pa.RecordBatch]]:
    """The columns' names, and all batches."""
    first = next(batches, None)
    if first is None:
        return [], iter(())

    def all_of_them() -> Iterator[pa.RecordBatch]:
        yield first
        yield from batches

    return list(first.schema.names), all_of_them()


def _as_table(batches: Iterator[pa.RecordBatch], bound: int) -> None:
    from headrace.cli import _table

    names, batches = _peek(batches)
    rows = list(_rows(batches, bound + 1 if bound else 0))
    shown = rows[:bound] if bound else rows
    for line in _table.table(names, shown, width=_table.terminal_width()) if names else ():
        click.echo(line)
    if len(rows) > len(shown):
        click.echo(f"(the first {len(shown):,} rows; --limit 0 shows all)", err=True)
    else:
        click.echo(f"({len(shown):,} row{'' if len(shown) == 1 else 's'})", err=True)


def _as_csv(batches: Iterator[pa.RecordBatch], bound: int) -> None:
    names, batches = _peek(batches)
    writer = csv.writer(sys.stdout, lineterminator="\n")
    if names:
        writer.writerow(names)
    for row in _rows(batches, bound):
        writer.writerow(["" if v is None else _text(v) for v in row])


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, bool):
        return str(value).lower()
    return str(value.isoformat()) if hasattr(value, "isoformat") else str(value)


def _as_json(batches: Iterator[pa.RecordBatch], bound: int, *, lines: bool) -> None:
    """Decimals as numbers with all their digits; times as ISO 8601; binary values as base64."""
    import msgspec

    encode = msgspec.json.Encoder(decimal_format="number", enc_hook=str).encode
    names, batches = _peek(batches)
    out = sys.stdout.buffer
    if not lines:
        out.write(b"[")
    for number, row in enumerate(_rows(batches, bound)):
        text = encode(dict(zip(names, row, strict=True)))
        out.write(text + b"\n" if lines else (b",\n" if number else b"\n") + text)
    if not lines:
        out.write(b"\n]\n")
    out.flush()
