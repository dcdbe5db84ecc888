"""The table of organisations' credentials in the state file. What stands in it is sealed before it comes here."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from dataclasses import fields
from typing import Any, TypeVar

from headrace.core.credentials import CredentialRow, CredentialStatus, Validity

T = TypeVar("T")

TABLE = """
CREATE TABLE org_integration_credentials (
  org_slug TEXT NOT NULL, provider TEXT NOT NULL, credential_id TEXT NOT NULL, version INTEGER NOT NULL,
  status TEXT NOT NULL, encrypted_credential TEXT NOT NULL, key_id TEXT NOT NULL, hosts TEXT NOT NULL,
  check_url TEXT NOT NULL, check_auth TEXT NOT NULL, validity TEXT NOT NULL, checked_at INTEGER NOT NULL,
  created_at INTEGER NOT NULL, PRIMARY KEY (org_slug, provider, version)
) STRICT, WITHOUT ROWID;
"""
_STORED_AS = {"org": "org_slug", "sealed": "encrypted_credential"}
_COLUMNS = ", ".join(_STORED_AS.get(field.name, field.name) for field in fields(CredentialRow))
_INSERT = f"INSERT INTO org_integration_credentials ({_COLUMNS}) VALUES ({', '.join('?' * len(fields(CredentialRow)))})"
_THIS = "org_slug = ? AND provider = ? AND version = ?"


class StoredCredentials:
    """:class:`~headrace.core.credentials.CredentialRows`; ``write`` runs work in a durable transaction of its own,
    and ``read`` without one, both raising StateError when the file cannot be used."""

    def __init__(
        self,
        read: Callable[[Callable[[sqlite3.Connection], Any]], Any],
        write: Callable[[Callable[[sqlite3.Connection], Any]], Any],
    ) -> None:
        self._read, self._write = read, write

    def credential_rows(self, org: str | None = None, provider: str | None = None) -> list[CredentialRow]:
        sql = (
            f"SELECT {_COLUMNS} FROM org_integration_credentials WHERE (?1 IS NULL OR org_slug = ?1) "
            "AND (?2 IS NULL OR provider = ?2) ORDER BY org_slug, provider, version DESC"
        )
        rows: list[tuple[Any, ...]] = self._read(lambda connection: connection.execute(sql, (org, provider)).fetchall())
        return [_row(values) for values in rows]

    def add_credential(self, row: CredentialRow) -> bool:
        def work(connection: sqlite3.Connection) -> bool:
            try:
                connection.execute(_INSERT, _values(row))
            except sqlite3.IntegrityError:
                return False
            return True

        added: bool = self._write(work)
        return added

    def promote_credential(self, row: CredentialRow, expected: int | None) -> bool:
        def work(connection: sqlite3.Connection) -> bool:
            key = (row.org, row.provider)
            active = connection.execute(
                "SELECT max(version) FROM org_integration_credentials "
                "WHERE org_slug = ? AND provider = ? AND status = 'active'",
                key,
            ).fetchone()[0]
            pending = connection.execute(
                f"SELECT 1 FROM org_integration_credentials WHERE {_THIS} AND status = 'pending'", (*key, row.version)
            ).fetchone()
            if active != expected or pending is None:
                return False
            connection.execute(
                "UPDATE org_integration_credentials SET status = 'retired', encrypted_credential = '' "
                "WHERE org_slug = ? AND provider = ? AND status = 'active'",
                key,
            )
            connection.execute(
                f"UPDATE org_integration_credentials SET status = 'active' WHERE {_THIS}", (*key, row.version)
            )
            return True

        done: bool = self._write(work)
        return done

    def end_credential(self, org: str, provider: str, version: int | None, status: CredentialStatus) -> int:
        sql = (
            "UPDATE org_integration_credentials SET status = ?1, encrypted_credential = '' "
            "WHERE org_slug = ?2 AND provider = ?3 AND (?4 IS NULL OR version = ?4) "
            "AND encrypted_credential <> ''"
        )
        count: int = self._write(lambda connection: connection.execute(sql, (status, org, provider, version)).rowcount)
        return count

    def note_credential(self, row: CredentialRow, validity: Validity, checked_at: int) -> None:
        sql = f"UPDATE org_integration_credentials SET validity = ?, checked_at = ? WHERE {_THIS}"
        given = (validity, checked_at, row.org, row.provider, row.version)
        self._write(lambda connection: connection.execute(sql, given).rowcount)


def _values(row: CredentialRow) -> list[Any]:
    values = {field.name: getattr(row, field.name) for field in fields(row)}
    return list({**values, "hosts": json.dumps(row.hosts)}.values())


def _row(values: tuple[Any, ...]) -> CredentialRow:
    named = dict(zip((field.name for field in fields(CredentialRow)), values, strict=True))
    return CredentialRow(**{**named, "hosts": tuple(json.loads(named["hosts"]))})
