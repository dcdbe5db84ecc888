"""Stored credentials: sealed, versioned, one organisation's apart from another's."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from headrace.core.clock import Clock, SystemClock
from headrace.core.contracts import Secret
from headrace.core.credentials import CredentialRow, CredentialRows, KeyService, Validity
from headrace.core.errors import CredentialError, CredentialUnreadable, InputError, KeyUnavailable, SecretMissing
from headrace.core.hosts import host_rules
from headrace.core.organisations import org_slug
from headrace.secrets import envelope
from headrace.secrets.keys import key_service
from headrace.secrets.resolve import credential

_LIVE = ("active", "pending")
_TRIES = 5


@dataclass(frozen=True, slots=True)
class Check:
    """The request that tells whether a credential is valid: a URL, and the ``auth:`` block that signs it."""

    url: str = ""
    auth: Mapping[str, Any] | None = None


class Vault:
    """Credentials of organisations. ``rows`` keeps them; ``service(create)`` gives the key service, where ``create``
    says that a key file may be made.

    Providers are named in any case. Every method raises InputError for a name that is none, StateError when the
    rows cannot be reached, KeyUnavailable and CredentialUnreadable.
    """

    def __init__(
        self, rows: CredentialRows, *, service: Callable[[bool], KeyService] | None = None, clock: Clock | None = None
    ) -> None:
        self._rows = rows
        self._service = service or (lambda create: key_service(os.environ, create=create))
        self._clock = clock or SystemClock()
        self._keys: dict[tuple[str, str], bytes] = {}

    def store(
        self, org: str, provider: str, value: str, *, hosts: Sequence[str] = (), check: Check | None = None
    ) -> CredentialRow:
        """Keep ``value`` as the credential in force from now on, instead of any before it. ``hosts`` are those that
        it may be sent to; none: any."""
        for _ in range(_TRIES):
            row = self._add(org, provider, value, hosts, check or Check())
            if self.commit(row):
                return replace(row, status="active")
        raise CredentialError(f"{row.provider} of {row.org} is being changed by others all the time", hint="try again")

    def propose(self, org: str, provider: str, value: str) -> CredentialRow:
        """Keep ``value`` as the next version, with the hosts and the check of the one in force, which stays in force
        until :meth:`commit`. Raises SecretMissing when there is none."""
        before = self._in_force(*_names(org, provider))
        if before is None:
            raise _none(*_names(org, provider))
        return self._add(org, provider, value, before.hosts, _check_of(before))

    def commit(self, row: CredentialRow) -> bool:
        """Put a proposed version in force and delete the ciphertext of the one before, in one step; false when
        another process has put a version in force since ``row`` was proposed."""
        rows = self._rows.credential_rows(row.org, row.provider)
        active = next((each.version for each in rows if each.status == "active"), None)
        if active is not None and active > row.version:
            return False
        return self._rows.promote_credential(row, active)

    def drop(self, row: CredentialRow) -> None:
        """Give up a proposed version."""
        self._rows.end_credential(row.org, row.provider, row.version, "failed")

    def find(self, org: str, provider: str) -> Secret | None:
        """The credential in force, or ``None``."""
        row = self.row(org, provider)
        return None if row is None else self.open(row)

    def row(self, org: str, provider: str) -> CredentialRow | None:
        """The version in force, still sealed."""
        return self._in_force(*_names(org, provider))

    def open(self, row: CredentialRow) -> Secret:
        """The credential that ``row`` holds."""
        try:
            text, self._keys[row.org, row.provider] = envelope.unseal(row.sealed, _context(row), self._service(False))
        except (CredentialUnreadable, KeyUnavailable) as error:
            error.message = (
                f"the credential {row.provider} of organisation {row.org!r} cannot be opened: {error.message}"
            )
            raise
        found = credential(text)
        return replace(found, hosts=row.hosts) if found is not None else Secret("", {}, row.hosts)

    def list(self, org: str | None = None) -> list[CredentialRow]:
        """The versions in force, and those proposed, without their ciphertext."""
        rows = self._rows.credential_rows(org if org is None else org_slug(org))
        return [replace(row, sealed="") for row in rows if row.status in _LIVE]

    def note(self, row: CredentialRow, validity: Validity) -> None:
        """What a test of ``row`` found."""
        self._rows.note_credential(row, validity, self._clock.now())

    def remove(self, org: str, provider: str) -> None:
        """Delete the ciphertext of every version. Raises SecretMissing when there was none."""
        names = _names(org, provider)
        if not self._rows.end_credential(*names, None, "removed"):
            raise _none(*names)

    def seal_token(self, org: str, provider: str, name: str, text: str) -> str | None:
        """``text`` sealed by the key of a credential that was opened here, so that it takes no request to a key
        service to keep a rotated token; ``None`` when no such credential was opened."""
        key = self._token_key(org, provider)
        return None if key is None else envelope.encrypt(text, {"organisation": org, "token": name}, key)

    def open_token(self, org: str, provider: str, name: str, sealed: str) -> str | None:
        """What :meth:`seal_token` was given; ``None`` when the credential was not opened here, or is another now."""
        key = self._token_key(org, provider)
        if key is None:
            return None
        try:
            return envelope.decrypt(sealed, {"organisation": org, "token": name}, key)
        except CredentialUnreadable:
            return None

    def _token_key(self, org: str, provider: str) -> bytes | None:
        """Of the provider's credential, else of the only one that was opened: a token may go by the name that a step
        gave the credential."""
        opened = {name: key for (owner, name), key in self._keys.items() if owner == org}
        return opened.get(provider.upper(), next(iter(opened.values())) if len(opened) == 1 else None)

    def _in_force(self, org: str, provider: str) -> CredentialRow | None:
        rows = self._rows.credential_rows(org, provider)
        row = next((each for each in rows if each.status == "active"), None)
        newest = next((each.version for each in rows if each.status in ("active", "retired")), 0)
        if row is not None and row.version < newest:
            raise CredentialUnreadable(
                f"the credential {provider} of organisation {org!r} was rolled back: version {row.version} is marked as in "
                f"force, and version {newest} was",
                hint="nobody may copy, restore or edit single rows of this table: store the credential again",
            )
        return row

    def _add(self, org: str, provider: str, value: str, hosts: Sequence[str], check: Check) -> CredentialRow:
        org, provider = _names(org, provider)
        found = credential(value)
        if found is None:
            raise InputError("the credential is empty", hint="give its value at the prompt, on stdin or in a file")
        host_rules(hosts)
        for _ in range(_TRIES):
            rows = self._rows.credential_rows(org, provider)
            for left in (each for each in rows if each.status == "pending"):
                self.drop(left)  # of a rotation that never came to its end
            row = CredentialRow(
                org=org,
                provider=provider,
                credential_id=rows[0].credential_id if rows else str(UUID(bytes=os.urandom(16), version=4)),
                version=1 + (rows[0].version if rows else 0),
                status="pending",
                hosts=tuple(dict.fromkeys(hosts)),
                check_url=check.url,
                check_auth=json.dumps(dict(check.auth)) if check.auth else "",
                created_at=self._clock.now(),
            )
            service = self._sealing()
            row = replace(row, sealed=envelope.seal(value.strip(), _context(row), service), key_id=service.id)
            if self._rows.add_credential(row):
                return row
        raise CredentialError(f"{provider} of {org} is being changed by others all the time", hint="try again")

    def _sealing(self) -> KeyService:
        """The service to seal by. A new key file, where others are sealed by one that is missing, would hide that."""
        local = any(row.sealed and row.key_id.startswith("local:") for row in self._rows.credential_rows())
        return self._service(not local)


def _names(org: str, provider: str) -> tuple[str, str]:
    if not provider.strip() or len(provider) > 200 or not provider.isprintable():
        raise InputError(f"{provider!r} is not the name of a provider", hint="such as HUBSPOT")
    return org_slug(org), provider.strip().upper()


def _context(row: CredentialRow) -> dict[str, str]:
    """What a ciphertext is bound to: it opens in this row, with these hosts, and nowhere else."""
    return {
        "organisation": row.org,
        "provider": row.provider,
        "id": row.credential_id,
        "version": str(row.version),
        "hosts": " ".join(row.hosts) or "any",
        "check": f"{row.check_url} {row.check_auth}".strip() or "none",
    }


def _check_of(row: CredentialRow) -> Check:
    return Check(row.check_url, json.loads(row.check_auth) if row.check_auth else None)


def _none(org: str, provider: str) -> SecretMissing:
    return SecretMissing(
        f"organisation {org!r} has no stored credential {provider}",
        hint=f"store it: headrace credentials set {org} {provider} --host HOST",
    )
