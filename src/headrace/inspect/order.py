"""The order in which a table is paged through, and the place in it that a page ended at, as a text."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from headrace.core.contracts import Session
from headrace.core.errors import InputError
from headrace.core.types import ColumnType
from headrace.inspect.titles import bound, python_value

_WORDS = {"true": True, "false": False}
_BLOCKS = 64
"""Of a table in PostgreSQL that are looked at first."""


class Keyed:
    """Pages in the order of the key: what is added or changed meanwhile shifts none."""

    def __init__(self, url: str, key: Sequence[str], types: Mapping[str, ColumnType]) -> None:
        self._url = url
        self._kinds = [types[column] for column in key]
        self.selected = [_quote(column) for column in key]
        self.by = ", ".join(self.selected)

    def token(self, values: Sequence[Any]) -> str:
        """The place of the row that has ``values`` in ``selected``."""
        shown = [python_value(value, kind) for value, kind in zip(values, self._kinds, strict=True)]
        texts = [value.isoformat() if isinstance(value, date) else str(value) for value in shown]
        return base64.urlsafe_b64encode(json.dumps(texts).encode()).decode().rstrip("=")

    def spans(self, session: Session, table: str, token: str | None) -> Iterator[tuple[str, list[Any]]]:
        """Conditions that cut what is behind ``token`` into pieces, in order. Raises InputError for another text."""
        if token is None:
            yield "", []
            return
        try:
            texts = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
            pairs = list(zip(texts, self._kinds, strict=True))
            values = [self._bound(typed(str(text), kind)) for text, kind in pairs]
        except (ValueError, TypeError):
            raise _no_place() from None
        marks = ", ".join("?" * len(values))
        yield (f"({self.by}) > ({marks})" if len(values) > 1 else f"{self.by} > ?"), values

    def _bound(self, value: Any) -> Any:
        if isinstance(value, Decimal) and self._url.startswith("sqlite"):  # kept as text there, and in its order
            return str(value)
        return bound(value, self._url)


class Placed:
    """Pages in the order that the rows lie in, of a table without a key."""

    def __init__(self, url: str) -> None:
        self._postgres = url.startswith("postgres")
        self.by = "ctid" if self._postgres else "rowid"
        self.selected = [f"CAST({self.by} AS VARCHAR)"]

    def token(self, values: Sequence[Any]) -> str:
        """The place of the row that has ``values`` in ``selected``."""
        return str(values[0])

    def spans(self, session: Session, table: str, token: str | None) -> Iterator[tuple[str, list[Any]]]:
        """As :meth:`Keyed.spans`."""
        if token is not None and not re.fullmatch(r"\(\d{1,10},\d{1,5}\)" if self._postgres else r"-?\d{1,18}", token):
            raise _no_place()
        if not self._postgres:
            yield ("", []) if token is None else (f"{self.by} > ?", [int(token)])
            return
        # Whatever its LIMIT, PostgreSQL would sort all that is behind the place: it has no index in this order.
        sql = (
            "SELECT pg_relation_size(CAST(CAST(? AS text) AS regclass)) / "
            "CAST(current_setting('block_size') AS bigint) AS n"
        )
        (blocks,) = (int(row["n"]) for batch in session.query(sql, [_quote(table)]) for row in batch.to_pylist())
        start, first, count = token or "(0,0)", int((token or "(0,0)")[1:].split(",")[0]), _BLOCKS
        while first < blocks:
            first, count = first + count, count * 4
            end = f"({first},0)"
            yield "ctid > CAST(CAST(? AS text) AS tid) AND ctid < CAST(CAST(? AS text) AS tid)", [start, end]
            start = end


def order_of(url: str, key: Sequence[str], types: Mapping[str, ColumnType]) -> Keyed | Placed:
    """By ``key`` where a table has one and all of it may be shown."""
    return Keyed(url, key, types) if key and types.keys() >= set(key) else Placed(url)


def typed(text: str, kind: ColumnType) -> Any:
    """``text`` as a value of ``kind``. Raises ValueError."""
    if kind in ("int", "bigint"):
        if not re.fullmatch(r"[-+]?\d{1,19}", text) or abs(int(text)) >= 2**63:
            raise ValueError(text)
        return int(text)
    if kind == "float":
        return float(text)
    if kind == "decimal":
        try:
            found = Decimal(text)
        except InvalidOperation:
            raise ValueError(text) from None
        if not found.is_finite() or abs(found.adjusted()) > 38:
            raise ValueError(text)
        return found
    if kind == "bool":
        if text.lower() not in _WORDS:
            raise ValueError(text)
        return _WORDS[text.lower()]
    if kind == "timestamp":
        return datetime.fromisoformat(text.replace("Z", "+00:00").replace(" ", "+"))
    if kind == "date":
        return date.fromisoformat(text)
    return text


def _no_place() -> InputError:
    return InputError("after is no place in this table", hint="take the one that the page before gave as next")


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
