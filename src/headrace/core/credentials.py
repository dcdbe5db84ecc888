"""Stored credentials as rows, and what keeps them: the vocabulary between state and secrets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

CredentialStatus: TypeAlias = Literal["active", "pending", "retired", "failed", "removed"]
Validity: TypeAlias = Literal["valid", "invalid", "unknown"]


@dataclass(frozen=True, slots=True)
class CredentialRow:
    """One version of an organisation's credential for a provider. Times are microseconds since 1970 UTC.

    ``sealed`` is the ciphertext, empty once the version is no longer ``active`` or ``pending``.
    ``credential_id`` stays the same from version to version. ``hosts`` are those that it may be sent to
    (none: any). ``check_url`` and ``check_auth`` are the request that tells whether it is valid.
    """

    org: str
    provider: str
    credential_id: str
    version: int
    status: CredentialStatus
    sealed: str = field(default="", repr=False)
    key_id: str = ""
    hosts: tuple[str, ...] = ()
    check_url: str = ""
    check_auth: str = ""
    validity: Validity = "unknown"
    checked_at: int = 0
    created_at: int = 0


class CredentialRows(Protocol):
    """The table ``org_integration_credentials``. All methods raise StateError when it cannot be reached: a
    credential that is not kept must not look kept. What is written is on disk when a method returns.

    :mod:`headrace.testing.credentials.rows` holds the tests that each keeper passes.
    """

    def credential_rows(self, org: str | None = None, provider: str | None = None) -> list[CredentialRow]:
        """By organisation and provider, the highest version first; ``None``: all of them."""
        ...

    def add_credential(self, row: CredentialRow) -> bool:
        """Insert, unless there is this version of the organisation's provider already (false)."""
        ...

    def promote_credential(self, row: CredentialRow, expected: int | None) -> bool:
        """Make the pending ``row`` the active version; the one before is retired, its ciphertext deleted, in the
        same transaction. Nothing happens (false) unless ``row`` is pending and the active version is ``expected``
        (``None``: there is none)."""
        ...

    def end_credential(self, org: str, provider: str, version: int | None, status: CredentialStatus) -> int:
        """Delete the ciphertext of a version (``None``: of all), and give it a status that says why; returns how many
        versions that had one."""
        ...

    def note_credential(self, row: CredentialRow, validity: Validity, checked_at: int) -> None:
        """What a test of this version found."""
        ...


class KeyService(Protocol):
    """Keeps the key that seals the keys of credentials: a file, a variable, a cloud's key management.

    :mod:`headrace.testing.credentials.keys` holds the tests that each service passes.
    """

    @property
    def id(self) -> str:
        """Which key new credentials are sealed by; kept beside each, and shown. No secret."""
        ...

    def wrap(self, key: bytes, context: Mapping[str, str]) -> bytes:
        """``key`` (32 bytes) encrypted, bound to ``context``. Raises KeyUnavailable."""
        ...

    def unwrap(self, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        """The key that :meth:`wrap` was given with the same ``context``. Raises KeyUnavailable when the service does
        not answer or refuses, CredentialUnreadable when it was not wrapped by this key for this context."""
        ...
