"""API keys: who may use the service."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request

from headrace.core.clock import as_datetime
from headrace.core.errors import InputError
from headrace.service import problems
from headrace.service.keys import OPERATOR, Key, Scope
from headrace.service.security import Admin, Caller, Gate

router = APIRouter(prefix="/keys", tags=["keys"])

_log = logging.getLogger("headrace.service")
_MOST_KEYS = 10_000


class NewKey(BaseModel):
    """The key that is asked for."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    name: str = Field("", max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$", examples=["nightly job"])
    """What it is for."""
    scope: Scope = "read"
    """``read`` looks, ``run`` also starts and ends runs, ``admin`` also changes pipelines, credentials and keys."""
    org: str | None = Field(None, max_length=200)
    """The organisation that it belongs to; by default the caller's own."""


class KeyView(BaseModel):
    """A key without its secret."""

    key_id: str
    org: str
    name: str
    scope: Scope
    created_at: datetime


class MadeKey(KeyView):
    """A new key."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    key: str
    """What to send as ``Authorization: Bearer``. It is shown this once."""


class KeyList(BaseModel):
    """Keys, oldest first."""

    keys: list[KeyView]


@router.post("", status_code=201, responses=problems.declared(400, 409, 422))
async def make(request: Request, caller: Admin, asked: NewKey | None = None) -> MadeKey:
    """Make a key. Administrators of the organisation `default` may make it for another one."""
    asked = asked or NewKey()
    return await asyncio.to_thread(_make, _gate(request), caller, asked)


@router.get("")
async def list_keys(request: Request, caller: Admin) -> KeyList:
    """The organisation's keys; for administrators of `default`, all."""
    keys = _gate(request).keys
    found = await asyncio.to_thread(keys.list, None if caller.org == OPERATOR else caller.org)
    return KeyList(keys=[_view(key) for key in sorted(found, key=lambda key: key.created_at)])


@router.delete("/{key_id}", status_code=204, responses=problems.declared(404, 409, 422))
async def revoke(request: Request, caller: Admin, key_id: str) -> None:
    """Revoke a key. Other instances of the service may take it for five more seconds."""
    await asyncio.to_thread(_revoke, _gate(request), caller, key_id)


def _make(gate: Gate, caller: Caller, asked: NewKey) -> MadeKey:
    org = asked.org or caller.org
    if org != caller.org and caller.org != OPERATOR:
        raise problems.Refusal(403, "keys for another organisation are made by administrators of `default`")
    known = gate.keys.list()
    if not any(key.org == OPERATOR and key.scope == "admin" for key in known) and (
        asked.scope != "admin" or org != OPERATOR
    ):
        raise InputError(
            "the first key has to be an administrator's: from then on every request needs one",
            hint=f'ask for {{"scope": "admin", "org": "{OPERATOR}"}} first',
        )
    if len(known) >= _MOST_KEYS:
        raise InputError(f"there are {len(known):,} keys already", hint="revoke those that are not used")
    made = gate.keys.make(org, asked.name, asked.scope)
    if made is None:
        raise problems.Refusal(503, "no key could be made", hint="try again")
    key, text = made
    _log.info("key %s of %s (%s) was made by %s", key.key_id, key.org, key.scope, caller.key_id or "nobody's key")
    return MadeKey(**_view(key).model_dump(), key=text)


def _revoke(gate: Gate, caller: Caller, key_id: str) -> None:
    known = gate.keys.list()
    found = next((key for key in known if key.key_id == key_id), None)
    if found is None or (found.org != caller.org and caller.org != OPERATOR):
        raise problems.not_found("key", key_id, hint="GET /keys lists them")
    admins = [key for key in known if key.org == OPERATOR and key.scope == "admin"]
    if admins == [found] and gate.needed():
        raise problems.Refusal(
            409, "this is the last administrator's key", hint="make another one first, or nobody could make any"
        )
    gate.keys.revoke(key_id)
    _log.info("key %s of %s was revoked by %s", key_id, found.org, caller.key_id or "nobody's key")


def _gate(request: Request) -> Gate:
    found: Gate = request.app.state.gate
    return found


def _view(key: Key) -> KeyView:
    return KeyView(
        key_id=key.key_id, org=key.org, name=key.name, scope=key.scope, created_at=as_datetime(key.created_at)
    )
