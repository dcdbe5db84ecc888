"""Typed, read-only questions to what pipelines have stored: the offers of a title, the rows of a table."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from headrace.core.contracts import Session
from headrace.core.errors import InputError
from headrace.core.suggest import did_you_mean
from headrace.core.types import ColumnType
from headrace.crawl.slices import parse_date
from headrace.destinations import from_url

NOW, HISTORY = "sapi_offers_current", "sapi_offers_history"
_COLUMNS = (
    "sapi_id", "country", "service_id", "service_name", "offer_type", "quality", "title_page_link", "watch_link",
    "audios", "subtitles", "available_since", "expires_soon", "expires_on", "fetched_at", "last_seen_run_id",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Offer:
    """One way to watch a title in one country. Times are UTC; ``audios`` and ``subtitles`` are as the API gives
    them. ``valid_from`` and ``valid_to`` say how long it was as it is here; without a moment asked for they are
    ``None``."""

    sapi_id: str
    title: str
    original_title: str | None
    release_year: int | None
    show_type: str | None
    country: str
    service_id: str
    service_name: str | None
    offer_type: str
    quality: str | None
    title_page_link: str | None
    watch_link: str | None
    audios: Sequence[Mapping[str, Any]]
    subtitles: Sequence[Mapping[str, Any]]
    available_since: datetime | None
    expires_soon: bool | None
    expires_on: datetime | None
    fetched_at: datetime
    last_seen_run_id: str
    valid_from: datetime | None = None
    valid_to: datetime | None = None


def offers(
    destination: str, title: str, country: str | None = None, at: datetime | date | str | None = None
) -> list[Offer]:
    """The offers of the titles called ``title`` (or called so originally; upper and lower case of A to Z are one), or
    whose ``sapi_id``, ``imdb_id`` or ``tmdb_id`` it is; by country, service and kind.

    ``country`` is a code in either case. ``at`` asks what was on offer at that moment (a day: its beginning, UTC),
    as far as it had been crawled; without it, what is on offer now. No title of that name: an empty list.
    Raises InputError where there are no sapi tables or ``at`` is no time, CannotOpen.
    """
    moment = _moment(at)
    source = NOW if moment is None else HISTORY
    further = "" if moment is None else ", o.valid_from, o.valid_to"
    where = (
        "(lower(t.title) = lower(?) OR lower(t.original_title) = lower(?)"
        " OR t.sapi_id = ? OR t.imdb_id = ? OR t.tmdb_id = ?)"
    )
    params = [title] * 5
    if country is not None:
        where += " AND o.country = ?"
        params.append(country.upper())
    sql = (
        f"SELECT t.title, t.original_title, t.release_year, t.show_type, {', '.join(f'o.{c}' for c in _COLUMNS)}{further}"
        f" FROM sapi_titles t JOIN {source} o ON o.sapi_id = t.sapi_id WHERE {where}"
    )
    with from_url(destination).open(read_only=True) as session:
        if not session.columns("sapi_titles"):
            raise InputError(f"{destination_name(destination)} has no sapi tables", hint="fill them: headrace run sapi")
        found = [_offer(row) for batch in session.query(sql, params) for row in batch.to_pylist()]
    if moment is not None:
        found = [
            o for o in found if o.valid_from and o.valid_from <= moment and not (o.valid_to and o.valid_to <= moment)
        ]
    return sorted(found, key=lambda o: (o.sapi_id, o.country, o.service_id, o.offer_type))


def table(
    destination: str,
    name: str,
    *,
    where: Mapping[str, Any] | None = None,
    columns: Sequence[str] = (),
    order_by: Sequence[str] = (),
    limit: int | None = 1000,
) -> list[dict[str, Any]]:
    """Rows of the table ``name`` as Python values: times are aware datetimes, JSON is decoded, booleans are bool.

    ``where`` maps columns to the value they have; a list means any of its values, ``None`` that there is none.
    ``limit=None`` gives all rows. Raises InputError for a table or column that there is not, CannotOpen.
    """
    with from_url(destination).open(read_only=True) as session:
        types = _types(session, destination, name)
        wanted = list(columns) or list(types)
        for column in (*wanted, *(where or {}), *order_by):
            if column not in types:
                raise InputError(
                    f"{name} has no column {column!r}{did_you_mean(column, types)}", hint=f"columns: {', '.join(types)}"
                )
        conditions, params = _where(where or {}, destination)
        sql = f"SELECT {', '.join(map(_quote, wanted))} FROM {_quote(name)}{conditions}"
        if order_by:
            sql += f" ORDER BY {', '.join(map(_quote, order_by))}"
        if limit is not None:
            sql += f" LIMIT {int(limit)}"
        rows = (row for batch in session.query(sql, params) for row in batch.to_pylist())
        return [{column: python_value(value, types[column]) for column, value in row.items()} for row in rows]


def destination_name(url: str) -> str:
    """``url`` as it may be shown."""
    return from_url(url).url


def _types(session: Session, destination: str, name: str) -> Mapping[str, ColumnType]:
    types = session.columns(name)
    if not types:
        known = sorted(_tables(session, destination))
        raise InputError(
            f"{destination_name(destination)} has no table {name!r}{did_you_mean(name, known)}",
            hint=f"tables: {', '.join(known) or 'none yet'}",
        )
    return types


def _tables(session: Session, destination: str) -> set[str]:
    if destination.startswith("sqlite:"):
        sql = "SELECT name FROM sqlite_master WHERE type = 'table'"
    else:
        sql = "SELECT table_name AS name FROM information_schema.tables WHERE table_schema NOT IN ('pg_catalog', 'information_schema')"
    names = {str(row["name"]) for batch in session.query(sql) for row in batch.to_pylist()}
    return {n for n in names if not n.startswith("headrace_") and not n.endswith(("_seen", "_sighted", "_rejected"))}


def _where(where: Mapping[str, Any], destination: str) -> tuple[str, list[Any]]:
    parts: list[str] = []
    params: list[Any] = []
    for column, value in where.items():
        if value is None:
            parts.append(f"{_quote(column)} IS NULL")
        elif isinstance(value, list | tuple | set | frozenset):
            parts.append(f"{_quote(column)} IN ({', '.join('?' * len(value))})" if value else "1 = 0")
            params += [bound(item, destination) for item in value]
        else:
            parts.append(f"{_quote(column)} = ?")
            params.append(bound(value, destination))
    return (f" WHERE {' AND '.join(parts)}" if parts else ""), params


def bound(value: Any, destination: str) -> Any:
    """A value as the database compares it: SQLite keeps times as text."""
    if isinstance(value, datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=UTC)
        if destination.startswith("sqlite:"):
            from headrace.destinations._rows import time_text

            return time_text(aware.astimezone(UTC))
        return aware
    return value.isoformat() if isinstance(value, date) and destination.startswith("sqlite:") else value


def python_value(value: Any, kind: ColumnType) -> Any:
    """A value as Python has it: times are aware, JSON is decoded."""
    if value is None:
        return None
    if kind == "timestamp":
        return _utc(value)
    if kind == "date" and isinstance(value, str):
        return date.fromisoformat(value)
    if kind == "json" and isinstance(value, str):
        return json.loads(value)
    return bool(value) if kind == "bool" else value


def _offer(row: Mapping[str, Any]) -> Offer:
    values = dict(row)
    for name in ("audios", "subtitles"):
        values[name] = json.loads(values[name]) if values[name] else []
    for name in ("available_since", "expires_on"):
        values[name] = None if values[name] is None else datetime.fromtimestamp(int(values[name]), UTC)
    for name in ("fetched_at", "valid_from", "valid_to"):
        values[name] = _utc(values.get(name))
    if values["expires_soon"] is not None:
        values["expires_soon"] = bool(values["expires_soon"])
    return Offer(**values)


def _utc(value: Any) -> datetime | None:
    if value is None:
        return None
    moment = datetime.fromisoformat(value.replace("Z", "+00:00")) if isinstance(value, str) else value
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _moment(at: datetime | date | str | None) -> datetime | None:
    if at is None:
        return None
    return parse_date(at.isoformat() if isinstance(at, date) else at, place="at")


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
