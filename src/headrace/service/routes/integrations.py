"""Credentials of organisations: in, and never out."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from headrace import credentials
from headrace.core.credentials import Validity
from headrace.core.errors import HeadraceError, SecretMissing
from headrace.service import problems
from headrace.service.context import Here, Service
from headrace.service.keys import OPERATOR
from headrace.service.problems import not_found
from headrace.service.security import Admin, Caller
from headrace.service.trust import trust_of
from headrace.service.views import as_datetime_or_none

router = APIRouter(prefix="/integrations", tags=["integrations"])

_log = logging.getLogger("headrace.service")


Host = Annotated[str, Field(max_length=300, pattern=r"^[\x21-\x7e]+$")]


class Setup(BaseModel):
    """A credential to keep."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True)

    credential: str | dict[str, str] = Field(repr=False)
    """Its value, or the members of a JSON credential (client_id, client_secret, …). No answer shows it."""
    hosts: list[Host] = Field(default_factory=list, max_length=50, examples=[["api.hubapi.com"]])
    """The hosts that it may be sent to; none: any."""
    check_url: str = Field("", max_length=2_000, pattern=r"^(https?://[\x21-\x7e]+)?$")
    """A URL that tells whether it is valid: 2xx if it is, 401 or 403 if not."""
    check_auth: dict[str, Any] | None = None
    """How that request is signed, as ``auth:`` of a step; by default as a bearer token."""


class CredentialView(BaseModel):
    """A credential without its value."""

    org: str
    provider: str
    version: int
    status: str
    hosts: list[str]
    validity: Validity
    checked_at: datetime | None
    created_at: datetime | None


class Validated(BaseModel):
    """What the API said of a credential."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    validity: Validity
    """``unknown``: the API could not be asked, or no request is named that would try it."""
    why: str


class CredentialList(BaseModel):
    """An organisation's credentials."""

    credentials: list[CredentialView]


@router.get("/{org}", responses=problems.declared(404, 422))
async def list_credentials(service: Here, caller: Admin, org: str) -> CredentialList:
    """The credentials of an organisation, without their values."""
    _check_org(caller, org)
    found = await asyncio.to_thread(credentials.list_all, org, state=service.config.state)
    return CredentialList(credentials=[_view(each) for each in found])


@router.post("/{org}/{provider}/setup", status_code=201, responses=problems.declared(400, 404, 422))
async def setup(service: Here, caller: Admin, org: str, provider: str, asked: Setup) -> CredentialView:
    """Keep a credential, sealed, in place of any before it: steps find it by `auth: {provider: …}`."""
    _check_org(caller, org)
    found = await asyncio.to_thread(
        credentials.store, org, provider, asked.credential, hosts=asked.hosts, check_url=asked.check_url,
        check_auth=asked.check_auth, state=service.config.state,
    )  # fmt: skip
    _log.info("credential %s of %s was stored by %s", found.provider, found.org, caller.key_id or "nobody's key")
    return _view(found)


@router.post("/{org}/{provider}/validate", responses=problems.declared(404, 422))
async def validate(service: Here, caller: Admin, org: str, provider: str) -> Validated:
    """Ask the API whether it takes the credential, by the request that its setup names, else by that of `validate:` in a
    pipeline."""
    _check_org(caller, org)
    config = service.config
    url, auth = await asyncio.to_thread(_named, service, org, provider)
    try:
        found = await service.look(
            credentials.test,
            org,
            provider,
            check_url=url,
            check_auth=auth,
            rewrite=config.rewrite,
            state=config.state,
            trust=trust_of(config, sent=True),
        )
    except SecretMissing:
        raise not_found("credential", provider, hint=f"POST /integrations/{org}/{provider}/setup stores one") from None
    return Validated(validity=found.validity, why=found.why)


@router.delete("/{org}/{provider}", status_code=204, responses=problems.declared(404, 422))
async def remove(service: Here, caller: Admin, org: str, provider: str) -> None:
    """Delete a credential, and the tokens that were made from it."""
    _check_org(caller, org)
    try:
        await asyncio.to_thread(credentials.remove, org, provider, state=service.config.state)
    except SecretMissing:
        raise not_found("credential", provider) from None
    _log.info("credential %s of %s was removed by %s", provider, org, caller.key_id or "nobody's key")


def _named(service: Service, org: str, provider: str) -> tuple[str, dict[str, Any] | None]:
    """The request that a pipeline of the organisation names to try the credential; no URL: none does."""
    for name in service.catalogue.names(org):
        try:
            found = service.catalogue.draft(name, org).pipeline.tries(provider)
        except HeadraceError:
            continue  # a file that is wrong says so where it is asked for
        if found is not None:
            return found
    return "", None


def _check_org(caller: Caller, org: str) -> None:
    """Another organisation is not there, for whoever is not the operator."""
    if org != caller.org and caller.org != OPERATOR:
        raise not_found("organisation", org)


def _view(found: credentials.Credential) -> CredentialView:
    return CredentialView(
        org=found.org, provider=found.provider, version=found.version, status=found.status, hosts=list(found.hosts),
        validity=found.validity, checked_at=as_datetime_or_none(found.checked_at), created_at=as_datetime_or_none(found.created_at),
    )  # fmt: skip
