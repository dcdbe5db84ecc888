"""API keys: 256 random bits each, of which the store keeps a hash; an organisation, a name and scopes."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from headrace.core.clock import SystemClock
from headrace.core.errors import InputError
from headrace.core.organisations import org_slug
from headrace.state.progress.contract import Document, ProgressStore

Scope = Literal["read", "run", "admin"]
SCOPES: Sequence[Scope] = ("read", "run", "admin")
"""Each includes those before it."""
KIND = "key"
OPERATOR = "default"
"""The organisation whose administrators make keys for others."""
PREFIX = "hrk_"
FIRST = "first"

_FORM = re.compile(r"hrk_([a-z0-9]{1,16})_([A-Za-z0-9_-]{43})")
_NOBODY = "0" * 64
_KNOWN_SECONDS = 5.0
"""How long a key that was revoked by another instance may still be known here."""


@dataclass(frozen=True, slots=True)
class Key:
    """What may be shown of a key. ``created_at`` in microseconds since 1970 UTC."""

    key_id: str
    org: str
    name: str
    scope: Scope
    created_at: int


class Keys:
    """The keys of a service. Methods block for the store and raise StateError while it cannot be reached."""

    def __init__(self, store: ProgressStore, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._store, self._clock = store, clock
        self._lock = threading.Lock()
        self._seen: dict[str, tuple[float, Document | None]] = {}
        self._any = (-_KNOWN_SECONDS, False)

    def make(self, org: str, name: str, scope: Scope, *, key_id: str | None = None) -> tuple[Key, str] | None:
        """A new key and its text, which nothing gives a second time; ``None`` when ``key_id`` is taken."""
        if scope not in SCOPES:
            raise InputError(f"{scope!r} is not a scope", hint=f"scopes: {', '.join(SCOPES)}")
        key_id = key_id or secrets.token_hex(6)
        secret = secrets.token_urlsafe(32)
        key = Key(key_id, org_slug(org), name, scope, SystemClock().now())
        body = {
            "org": key.org, "name": name, "scope": scope, "hash": _hash(secret), "created_at": key.created_at,
        }  # fmt: skip
        if self._store.put(KIND, key_id, body, expected=0) is None:
            return None
        self._forget(key_id)
        return key, f"{PREFIX}{key_id}_{secret}"

    def first(self) -> str | None:
        """The text of the first administrator's key, made now; ``None`` when there is one already."""
        if any(key.scope == "admin" for key in self.list(OPERATOR)):
            return None
        made = self.make(OPERATOR, "made at the first start", "admin", key_id=FIRST)
        return None if made is None else made[1]

    def find(self, text: str) -> Key | None:
        """The key that ``text`` is; ``None`` for any other text. Takes as long for a wrong secret as for a right one."""
        form = _FORM.fullmatch(text)
        document = self._document(form[1]) if form else None
        expected = str(document.body["hash"]) if document is not None else _NOBODY
        fits = hmac.compare_digest(_hash(form[2] if form else text), expected)
        return _shown(document) if fits and document is not None else None

    def list(self, org: str | None = None) -> list[Key]:
        """Those of an organisation, or all."""
        found = [_shown(document) for document in self._store.documents(KIND)]
        return [key for key in found if org is None or key.org == org]

    def revoke(self, key_id: str) -> bool:
        """No longer take the key; false when there is none."""
        gone = self._store.delete(KIND, key_id)
        self._forget(key_id)
        return gone

    def at_hand(self, text: str | None) -> bool:
        """Whether :meth:`find` and :meth:`exist` need not ask the store for ``text``."""
        fresh = self._clock() - _KNOWN_SECONDS
        if text is None:
            return self._any[0] > fresh
        form = _FORM.fullmatch(text)
        at, document = self._seen.get(form[1], (fresh, None)) if form else (fresh, None)
        return at > fresh and document is not None

    def exist(self) -> bool:
        """Whether there is any key."""
        with self._lock:
            at, known = self._any
            if self._clock() - at < _KNOWN_SECONDS:
                return known
        known = bool(self._store.documents(KIND))
        with self._lock:
            self._any = (self._clock(), known)
        return known

    def _document(self, key_id: str) -> Document | None:
        with self._lock:
            at, document = self._seen.get(key_id, (-_KNOWN_SECONDS, None))
            if self._clock() - at < _KNOWN_SECONDS and document is not None:
                return document
        document = self._store.document(KIND, key_id)
        with self._lock:
            if len(self._seen) > 1_000:
                self._seen.clear()
            self._seen[key_id] = (self._clock(), document)
        return document

    def _forget(self, key_id: str) -> None:
        with self._lock:
            self._seen.pop(key_id, None)
            self._any = (-_KNOWN_SECONDS, False)


def covers(scope: Scope, wanted: Scope) -> bool:
    """Whether a key of ``scope`` may do what needs ``wanted``."""
    return SCOPES.index(scope) >= SCOPES.index(wanted)


def _hash(secret: str) -> str:
    # The secret has 256 random bits: nobody can try them, so a slow hash would protect nothing.
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _shown(document: Document) -> Key:
    body: Mapping[str, Any] = document.body
    return Key(
        document.name, str(body["org"]), str(body["name"]), cast("Scope", body["scope"]), int(body["created_at"])
    )
