"""Where a title can be watched."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from headrace.core.contracts import Destination, Session
from headrace.inspect import titles
from headrace.inspect.select import made_tables
from headrace.service import problems
from headrace.service.context import Here
from headrace.service.problems import not_found
from headrace.service.routes.tables import Name, in_database
from headrace.service.security import Reader

router = APIRouter(prefix="/titles", tags=["titles"])


class OfferList(BaseModel):
    """Offers by country, service and kind."""

    offers: list[titles.Offer]


@router.get("/{title}/offers", responses=problems.declared(404, 422))
async def offers(
    service: Here,
    caller: Reader,
    title: str,
    country: Annotated[str | None, Query(pattern=r"^[A-Za-z]{2}$", description="ISO code of a country.")] = None,
    at: Annotated[str | None, Query(max_length=40, description="A day or a moment; by default now.")] = None,
    destination: Name = None,
) -> OfferList:
    """The offers of the titles of this id (the API's, IMDb's, TMDB's) or name, now or at a moment in the past."""

    def check(session: Session, target: Destination) -> bool:
        return target.capabilities().fold("sapi_titles") in made_tables(session, target, caller.sees)

    name, there = await service.look(in_database, service, destination, check, False)
    if not there:
        raise not_found("table", "sapi_titles", hint="the pipeline sapi fills it")
    _, url = service.config.destination(name)
    found = await service.look(titles.offers, url, title, country, at)
    return OfferList(offers=found)
