"""Signing in with an API key, and out."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import Response

from headrace.service.front import address_of
from headrace.service.pages.render import page
from headrace.service.pages.route import PageRoute, go
from headrace.service.problems import Refusal
from headrace.service.security import Gate, sign_in, sign_out

router = APIRouter(prefix="/ui", route_class=PageRoute, include_in_schema=False)


@router.get("/login")
async def form(back: Annotated[str, Query(alias="next", max_length=500)] = "/") -> Response:
    """The form that asks for a key."""
    return page("login.html", bare=True, next=own_path(back), wrong="")


@router.post("/login")
async def login(
    request: Request,
    key: Annotated[str, Form(max_length=500)],
    back: Annotated[str, Form(alias="next", max_length=500)] = "/",
) -> Response:
    """Have the browser keep the key, in a cookie that no script reads and no other site's page sends."""
    gate: Gate = request.app.state.gate
    try:
        await asyncio.to_thread(gate.admit, key.strip(), address_of(request.scope))
    except Refusal as error:
        said = error.message if error.status == 429 else "This key is not known here."
        return page("login.html", status=error.status, bare=True, next=own_path(back), wrong=said)
    answer = go(own_path(back))
    sign_in(answer, key.strip(), secure=request.url.scheme == "https")
    return answer


@router.post("/logout")
async def logout() -> Response:
    """Have the browser forget the key."""
    answer = go("/ui/login")
    sign_out(answer)
    return answer


def own_path(path: str) -> str:
    """``path`` if it leads to a page of this service, else the first page."""
    plain = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if plain else "/"
