"""Tables of a destination, their rows, where a row is from, and removals that wait for a decision."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query
from starlette.responses import Response

from headrace.core.clock import SystemClock
from headrace.core.contracts import Destination, Session
from headrace.core.errors import CannotOpen, DestinationBusy, HeadraceError
from headrace.core.tables import Removals
from headrace.destinations import from_url
from headrace.inspect.rows import ORG, TableInfo, has_sensitive_key, hidden_columns, is_shared, rows, tables
from headrace.inspect.why import Why, why
from headrace.service.context import Here, Service
from headrace.service.pages.origin import origin_view
from headrace.service.pages.render import address, fill, page
from headrace.service.pages.route import PageRoute, go, problem_of
from headrace.service.pages.rowview import NUMERIC, row_view
from headrace.service.problems import Refusal, not_found
from headrace.service.security import Caller, Reader, Runner

router = APIRouter(prefix="/ui", route_class=PageRoute, include_in_schema=False)

PAGE = 50
Name = Annotated[str, Query(max_length=200)]


@router.get("/tables")
async def list_tables(service: Here, caller: Reader, destination: Name = "") -> Response:
    """Every table of a destination."""
    values = await service.look(_look, service, caller, destination)
    names = list(service.config.destinations)
    return page(
        "tables.html", here="/ui/tables", caller=caller, destinations=names, **values
    )  # fmt: skip


@router.get("/freshness")
async def freshness(service: Here, caller: Reader, destination: Name = "") -> Response:
    """The tables as a piece of the first page."""
    values = await service.look(_look, service, caller, destination)
    return Response(fill("freshness.html", **values), media_type="text/html")


@router.get("/tables/{destination}/{table}")
async def preview(
    service: Here,
    caller: Reader,
    destination: str,
    table: str,
    column: Name = "",
    value: Annotated[str, Query(max_length=1000)] = "",
    after: Annotated[str, Query(max_length=4_000)] = "",
) -> Response:
    """Rows of one table."""

    def read() -> Response:
        where = {column: value} if column and value else {}
        with opened(service, destination) as (session, target):
            found = rows(session, target, table, where=where, after=after or None, limit=PAGE, org=caller.sees)
        path = f"/ui/tables/{_part(destination)}/{_part(table)}"
        filters = {"column": column, "value": value} if value else {}
        return page(
            "rows.html",
            here="/ui/tables",
            caller=caller,
            destination=destination,
            table=table,
            page=found,
            numeric=NUMERIC,
            rows=[row_view(row, found.columns, f"{path}/why") for row in found.rows],
            traced=any(row.key for row in found.rows),
            chosen={"column": column, "value": value, "after": after},
            first=address(path, **filters),
            next=address(path, **filters, after=found.after) if found.after else None,
        )

    return await service.look(read)


@router.get("/tables/{destination}/{table}/why")
async def origin(
    service: Here,
    caller: Reader,
    destination: str,
    table: str,
    key: Annotated[list[Annotated[str, Query(max_length=2000)]], Query(max_length=32)],
) -> Response:
    """The request and the answer that a row is from, with its bytes."""

    def read() -> Response:
        values: dict[str, Any] = {"origin": None, "problem": None}
        try:
            with opened(service, destination) as (session, target):
                values["origin"] = origin_view(_why(session, target, caller, table, key))
        except HeadraceError as error:
            values["problem"] = problem_of(error)
        return page("why.html", here="/ui/tables", caller=caller, destination=destination, table=table, **values)

    return await service.look(read)


@router.post("/removals")
async def decide(
    service: Here,
    caller: Runner,
    destination: Annotated[str, Form(max_length=200)],
    table: Annotated[str, Form(max_length=200)],
    run_id: Annotated[str, Form(max_length=200)],
    decision: Annotated[str, Form(pattern="^(confirm|reject)$")],
) -> Response:
    """Confirm or reject what a run held back."""

    def write() -> None:
        with opened(service, destination, write=True) as (session, _):
            if not _owns(session, caller, run_id):
                raise not_found("run", run_id)
            session.decide_removals(table, run_id, confirm=decision == "confirm")

    await service.look(write)
    return go(address("/ui/tables", destination=destination))


@contextmanager
def opened(service: Service, name: str, *, write: bool = False) -> Iterator[tuple[Session, Destination]]:
    """A session on the destination called ``name``."""
    _, url = service.config.destination(name)
    target = from_url(url)
    with target.open(read_only=not write) as session:
        yield session, target


def _owns(session: Session, caller: Caller, run_id: str) -> bool:
    run = session.run(run_id)
    return run is not None and caller.sees in (None, run.org)


def _why(session: Session, target: Destination, caller: Caller, table: str, key: list[str]) -> Why:
    """As :func:`~headrace.inspect.why.why`; of what others keep in the same database, errors tell nothing."""
    org = caller.sees
    hidden = hidden_columns(session)
    name = target.capabilities().fold(table)
    if has_sensitive_key(session, name, hidden) or any(c.casefold() in hidden for c in session.columns(name)):
        raise Refusal(403, "this table has sensitive columns, so the answers behind its rows are not shown",
                      hint="headrace why shows them where the database is")  # fmt: skip
    if not is_shared(session, org):
        return why(session, target, table, key)
    key = [part for part in key if not part.startswith(f"{ORG}=")]
    try:
        found = why(session, target, table, [*key, f"{ORG}={org}"])
    except HeadraceError:
        raise not_found("row", ", ".join(key)) from None
    if found.run is None or found.run.org != org:
        raise not_found("row", ", ".join(key))
    return found


def _look(service: Service, caller: Caller, name: str) -> dict[str, Any]:
    destination, _ = service.config.destination(name or None)
    found: list[TableInfo] = []
    held: list[Removals] = []
    problem = None
    try:
        with opened(service, destination) as (session, target):
            found = tables(session, target, org=caller.sees)
            held = [
                each for each in session.removals() if each.status == "held" and _owns(session, caller, each.run_id)
            ]
    except DestinationBusy as error:
        problem = problem_of(error)
    except CannotOpen as error:
        # The file is made by the first run.
        problem = None if "there is no" in error.message else problem_of(error)
    return {
        "destination": destination, "tables": found, "removals": held, "problem": problem,
        "now": SystemClock().now(),
    }  # fmt: skip


def _part(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe="")
