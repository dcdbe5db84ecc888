"""Tables of the service's databases: rows, and where a row is from."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

from headrace.core.clock import as_datetime
from headrace.core.contracts import Destination, Session
from headrace.core.errors import CannotOpen, DestinationBusy, HeadraceError, InputError
from headrace.core.types import ColumnType
from headrace.destinations import from_url
from headrace.inspect.rows import ORG, has_sensitive_key, hidden_columns, is_shared, tables
from headrace.inspect.select import Selected, made_tables, select
from headrace.inspect.why import Why, why
from headrace.service import problems
from headrace.service.context import Here, Service
from headrace.service.problems import Refusal, not_found
from headrace.service.security import Caller, Reader
from headrace.service.views import as_datetime_or_none

router = APIRouter(prefix="/tables", tags=["tables"])

T = TypeVar("T")
Name = Annotated[str | None, Query(max_length=200, description="Name of a database; by default the default one.")]
_MOST_BYTES = 100_000
_encode = msgspec.json.Encoder(decimal_format="number", enc_hook=str).encode


class TableView(BaseModel):
    """A table that pipelines fill."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    table: str
    rows: int
    filled_at: datetime | None
    """When the last complete run that fills it ended."""
    pipeline: str | None
    run_id: str | None


class TableList(BaseModel):
    """Tables by name."""

    destination: str
    tables: list[TableView]


class RowList(BaseModel):
    """Rows of a table."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    table: str
    columns: dict[str, ColumnType]
    """Name and type of each column that is shown."""
    rows: list[dict[str, Any]]
    next: str | None
    """Value of ``after`` for the page after this one; null on the last."""


class Origin(BaseModel):
    """The request and the answer that a row is from."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    table: str
    run_id: str
    pipeline: str | None
    step: str
    page: int
    record: int
    """Which record of the page it is, from 0."""
    url: str
    status: int
    fetched_at: datetime
    bytes: str | None
    """What stood in the answer, at most 100,000 characters; null where the table has sensitive columns."""


@router.get("", responses=problems.declared(404, 422))
async def list_tables(service: Here, caller: Reader, destination: Name = None) -> TableList:
    """The tables of a database that pipelines fill."""

    def read(session: Session, target: Destination) -> list[TableView]:
        made = set(made_tables(session, target, caller.sees))
        return [
            TableView(
                table=found.name, rows=found.rows, pipeline=found.pipeline or None, run_id=found.run_id or None,
                filled_at=as_datetime_or_none(found.filled_at),
            )
            for found in tables(session, target, org=caller.sees) if found.name in made
        ]  # fmt: skip

    name, found = await service.look(in_database, service, destination, read, [])
    return TableList(destination=name, tables=found)


@router.get("/{table}/rows", response_model=RowList, responses=problems.declared(404, 422))
async def rows(
    service: Here,
    caller: Reader,
    table: str,
    destination: Name = None,
    where: Annotated[
        list[Annotated[str, Query(max_length=1_000)]] | None,
        Query(
            max_length=32,
            description="A condition, such as `country=US`, `price>=10`, `title~war`, `genre is null`; all have to hold.",
        ),
    ] = None,
    column: Annotated[
        list[Annotated[str, Query(max_length=200)]] | None, Query(max_length=500, description="Only these columns.")
    ] = None,
    after: Annotated[str | None, Query(max_length=4_000, description="Where the page before this one ended.")] = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
) -> Response:
    """Rows in the order of the table's key. Sensitive columns are left out, and cannot be asked for."""

    def read(session: Session, target: Destination) -> Selected:
        _check_made(session, target, caller, table)
        return select(
            session, target, table, where=where or (), columns=column or (), after=after, limit=limit, org=caller.sees
        )

    _, found = await service.look(in_database, service, destination, read, None)
    if found is None:
        raise _no_table(table)
    body = {
        "table": found.table,
        "columns": found.columns,
        "rows": [dict(zip(found.columns, row, strict=True)) for row in found.rows],
        "next": found.after,
    }
    return Response(_encode(body), media_type="application/json")


@router.get("/{table}/why", responses=problems.declared(404, 422))
async def origin(
    service: Here,
    caller: Reader,
    table: str,
    key: Annotated[
        list[Annotated[str, Query(max_length=2_000)]],
        Query(
            min_length=1,
            max_length=32,
            description="The value of the key column, one for each in order, or `column=value`.",
        ),
    ],
    destination: Name = None,
) -> Origin:
    """The request and the answer that a row is from."""

    def read(session: Session, target: Destination) -> Origin:
        _check_made(session, target, caller, table)
        hidden = hidden_columns(session)
        asked = any(name.casefold() in hidden for part in key if (name := part.partition("=")[0]) != part)
        if asked or has_sensitive_key(session, target.capabilities().fold(table), hidden):
            raise InputError("a sensitive column can not be asked for")
        return _origin(_found(session, target, caller, table, key), withheld=_withheld(session, target, table, hidden))

    _, found = await service.look(in_database, service, destination, read, None)
    if found is None:
        raise _no_table(table)
    return found


def _check_made(session: Session, target: Destination, caller: Caller, table: str) -> None:
    """Raises Refusal (404) for a table that no pipeline fills for the caller."""
    if target.capabilities().fold(table) not in made_tables(session, target, caller.sees):
        raise _no_table(table)


def _no_table(table: str) -> Refusal:
    return not_found("table", table, hint="GET /tables lists them")


def in_database(
    service: Service, destination: str | None, read: Callable[[Session, Destination], T], empty: T
) -> tuple[str, T]:
    """The name of a database, and what ``read`` finds in it; ``empty`` where no run has made the file yet. Raises Refusal
    (404) for a name that there is not. Blocks."""
    try:
        name, url = service.config.destination(destination)
    except InputError as error:
        raise Refusal(404, error.message, hint=error.hint) from None
    target = from_url(url)
    try:
        with target.open(read_only=True) as session:
            return name, read(session, target)
    except DestinationBusy:
        raise Refusal(503, f"the database {name} is held by another process", hint="ask again later") from None
    except CannotOpen as error:
        if "there is no" in error.message:
            return name, empty
        raise Refusal(503, f"the database {name} cannot be opened", hint="the service's log says more") from None


def _found(session: Session, target: Destination, caller: Caller, table: str, key: list[str]) -> Why:
    """Of what others keep in the same database, errors tell nothing."""
    if not is_shared(session, caller.sees):
        try:
            return why(session, target, table, key)
        except InputError as error:
            raise Refusal(404, error.message) from None
    own = [part for part in key if not part.startswith(f"{ORG}=")]
    try:
        found = why(session, target, table, [*own, f"{ORG}={caller.sees}"])
    except HeadraceError:
        raise not_found("row", ", ".join(own)) from None
    if found.run is None or found.run.org != caller.sees:
        raise not_found("row", ", ".join(own))
    return found


def _withheld(session: Session, target: Destination, table: str, hidden: frozenset[str]) -> bool:
    return bool(hidden) and any(
        column.casefold() in hidden for column in session.columns(target.capabilities().fold(table))
    )


def _origin(found: Why, *, withheld: bool) -> Origin:
    page = found.page
    return Origin(
        table=found.table,
        run_id=page.run_id,
        pipeline=found.run.pipeline if found.run is not None else None,
        step=page.step,
        page=page.page_number,
        record=found.record,
        url=page.url,
        status=page.status,
        fetched_at=as_datetime(page.fetched_at),
        bytes=None if withheld else found.bytes.decode("utf-8", "replace")[:_MOST_BYTES],
    )
