"""The credentials of organisations: kept sealed in the state folder, one organisation's apart from another's.

    from headrace import credentials

    credentials.store("acme", "HUBSPOT", token, hosts=["api.hubapi.com"])

A run of that organisation finds it under ``auth: {provider: HUBSPOT}``. What can go wrong is a
:class:`~headrace.core.errors.CredentialError`, whose message never shows a value.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.core.credentials import Validity
from headrace.core.errors import AuthRefused, CredentialError, HeadraceError, InputError, RequestFailed, SecretMissing
from headrace.core.trust import EVERYTHING, Trust

if TYPE_CHECKING:
    from headrace.core.contracts import Auth, Secret
    from headrace.core.credentials import CredentialRow
    from headrace.runner.secrets import OrgTokens
    from headrace.secrets.vault import Vault
    from headrace.state.store import StateStore

__all__ = ["Credential", "Outcome", "list_all", "remove", "rotate", "store", "test"]


@dataclass(frozen=True, slots=True)
class Credential:
    """What may be shown of a stored credential. ``status`` is ``active`` or ``pending``; ``hosts`` are those that it
    may be sent to (none: any); ``key`` is the key that seals it; times are microseconds since 1970 UTC."""

    org: str
    provider: str
    version: int
    status: str
    hosts: tuple[str, ...]
    validity: Validity
    checked_at: int
    created_at: int
    key: str
    check_url: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a test found: ``valid`` (the API took it), ``invalid`` (401 or 403), ``unknown`` (``why`` says why)."""

    validity: Validity
    why: str = ""


def store(
    org: str,
    provider: str,
    value: str | Mapping[str, str],
    *,
    hosts: Sequence[str] = (),
    check_url: str = "",
    check_auth: Mapping[str, Any] | None = None,
    state: Path | None = None,
) -> Credential:
    """Keep ``value`` (a text, or the members of a JSON credential), in force at once, in place of any before it.

    ``hosts`` are those that it may be sent to; none: any. ``check_url`` is asked by :func:`test` and :func:`rotate`,
    signed as the ``auth:`` block ``check_auth`` says (by default as a bearer token).
    """
    from headrace.secrets.vault import Check

    auth = _auth_block(check_auth, provider) if check_url else None
    with _opened(state) as (_, vault):
        row = vault.store(org, provider, _text(value), hosts=hosts, check=Check(check_url, auth))
    return _shown(row)


def list_all(org: str | None = None, *, state: Path | None = None) -> list[Credential]:
    """Those of an organisation, or of all; no value is opened."""
    with _opened(state) as (_, vault):
        return [_shown(row) for row in vault.list(org)]


def test(
    org: str,
    provider: str,
    *,
    check_url: str = "",
    check_auth: Mapping[str, Any] | None = None,
    rewrite: Mapping[str, str] | None = None,
    state: Path | None = None,
    trust: Trust = EVERYTHING,
) -> Outcome:
    """Open the credential and send its check, or that of ``check_url`` and ``check_auth`` where it was stored without
    one; keeps what came of it. Raises SecretMissing when there is none, CredentialError when it cannot be opened, NotAllowed when ``trust`` does not let it reach that host."""
    with _opened(state) as (keeper, vault):
        row = vault.row(org, provider)
        if row is None:
            raise SecretMissing(
                f"organisation {org!r} has no stored credential {provider.upper()}",
                hint=f"store it: headrace credentials set {org} {provider.upper()} --host HOST",
            )
        other = (check_url, _auth_block(check_auth, row.provider)) if check_url else None
        outcome = _tried(row, keeper, vault, rewrite or {}, trust, other)
        vault.note(row, outcome.validity)
    return outcome


def rotate(
    org: str,
    provider: str,
    value: str | Mapping[str, str],
    *,
    check: bool = True,
    rewrite: Mapping[str, str] | None = None,
    state: Path | None = None,
) -> Credential:
    """Put ``value`` in the place of the credential in force, which stays in force until the new one has passed its
    check (``check=False``, or a credential without one: until the new one is stored).

    Raises CredentialError when the API refuses the new one or cannot be asked: then the old one is in force.
    """
    with _opened(state) as (keeper, vault):
        row = vault.propose(org, provider, _text(value))
        outcome = Outcome("unknown")
        if check and row.check_url:
            try:
                outcome = _tried(row, keeper, vault, rewrite or {})
            except BaseException:
                vault.drop(row)
                raise
            if outcome.validity != "valid":
                vault.drop(row)
                raise CredentialError(
                    f"the new credential {row.provider} of {row.org} was not put in force: {outcome.why}",
                    hint="the old one stays in force; to put the new one in force untried: --no-check",
                )
        if not vault.commit(row):
            raise CredentialError(
                f"another process has rotated {row.provider} of {row.org} meanwhile; its credential is in force",
                hint="look at it: headrace credentials list",
            )
        if outcome.validity == "valid":
            vault.note(row, "valid")
        found = vault.row(org, provider)
    return _shown(found or row)


def remove(org: str, provider: str, *, state: Path | None = None) -> None:
    """Delete every version, and the tokens that were made from it. Raises SecretMissing when there was none."""
    with _opened(state) as (keeper, vault):
        vault.remove(org, provider)
        keeper.forget_tokens(f"{org}/oauth2/", f"{provider.strip()}/")


@contextmanager
def _opened(state: Path | None) -> Iterator[tuple[StateStore, Vault]]:
    from headrace.secrets.vault import Vault
    from headrace.state.store import StateStore

    with StateStore.open(state) as keeper:
        yield keeper, Vault(keeper.credentials)


def _auth_block(given: Mapping[str, Any] | None, provider: str) -> dict[str, Any]:
    """Raises InputError for a block that no step could have either."""
    block = {"type": "bearer", **(given or {}), "provider": provider}
    _auth(block)
    return block


def _auth(block: Mapping[str, Any]) -> Auth:
    from typing import cast

    from pydantic import ValidationError

    from headrace.core.contracts import Auth
    from headrace.core.kinds import menu

    kinds = menu("headrace.sources.auth", Auth)
    name = str(block.get("type"))
    if name not in kinds:
        raise InputError(f"there is no auth type {name!r}", hint=f"there are: {', '.join(kinds)}")
    try:
        return cast("Auth", kinds[name].model_validate(block))
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"auth.{'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def _tried(
    row: CredentialRow,
    keeper: StateStore,
    vault: Vault,
    rewrite: Mapping[str, str],
    trust: Trust = EVERYTHING,
    other: tuple[str, Mapping[str, Any]] | None = None,
) -> Outcome:
    """Of its own check, or of the ``other`` one (URL, auth) where it has none."""
    from headrace.runner.secrets import OrgTokens

    secret = vault.open(row)
    url, block = row.check_url, json.loads(row.check_auth) if row.check_auth else _auth_block(None, row.provider)
    if not url:
        if other is None:
            return Outcome("unknown", "it can be opened; no request is named that would try it (--check-url)")
        url, block = other
    auth = _auth(block)
    # A refresh token may be rotated by this very request.
    tokens = OrgTokens(keeper, row.org, vault)
    return asyncio.run(_ask(url, auth, secret, tokens, rewrite, trust))


async def _ask(
    url: str, auth: Auth, secret: Secret, tokens: OrgTokens, rewrite: Mapping[str, str], trust: Trust
) -> Outcome:
    from headrace.core.clock import SystemClock
    from headrace.core.http import Request
    from headrace.secrets.mask import Masker
    from headrace.secrets.scrub import scrub
    from headrace.sources.client import ApiClient
    from headrace.sources.http import AiohttpTransport
    from headrace.sources.ratelimit import RateLimit

    clock, masker = SystemClock(), Masker()
    masker.add_secret(secret)
    transport = AiohttpTransport(clock, rewrite=rewrite, trust=trust)
    client = ApiClient(
        transport=transport, auth=auth, secret=secret, rate_limit=RateLimit(max_retries=1, max_wait=10),
        clock=clock, emit=lambda event: None, run_id="", step="check", masker=masker, tokens=tokens, home=url,
    )  # fmt: skip
    try:
        await client.fetch(Request("GET", url, timeout=30))
    except AuthRefused as error:
        return Outcome("invalid", masker.mask_text(error.message))
    except RequestFailed as error:
        return Outcome("unknown", masker.mask_text(error.message))
    except HeadraceError as error:
        scrub(error, masker.mask_text)
        raise
    finally:
        await transport.close()
    return Outcome("valid")


def _text(value: str | Mapping[str, str]) -> str:
    return value if isinstance(value, str) else json.dumps(dict(value))


def _shown(row: CredentialRow) -> Credential:
    return Credential(
        row.org, row.provider, row.version, row.status, row.hosts, row.validity, row.checked_at, row.created_at,
        row.key_id, row.check_url,
    )  # fmt: skip
