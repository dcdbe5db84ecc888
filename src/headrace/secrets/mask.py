"""Secrets out of everything that is kept or shown."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterator
from threading import Lock
from urllib.parse import quote, quote_plus

from headrace.core.contracts import Secret

MASK = "***"

MIN_LENGTH = 6
"""Shorter texts stand in ordinary data by chance ("us", "1234"): masking them would destroy answers, and
whoever reads ``***`` in their place could tell what they are."""

_PUBLIC = frozenset(
    {
        "client_id",
        "user",
        "username",
        "account",
        "account_id",
        "tenant",
        "tenant_id",
        "host",
        "base_url",
        "url",
        "token_url",
        "auth_uri",
        "token_uri",
        "scope",
        "scopes",
        "grant_type",
        "token_type",
        "type",
        "region",
        "project",
        "project_id",
        "client_email",
        "expires_at",
        "expires_in",
    }
)
"""Members of a JSON credential that say who or where, and stand in answers legitimately."""

RUN = 16
"""Letters and digits in a row that are masked on their own: no escaping changes them, however deep it goes."""

_RUNS = re.compile(rf"[A-Za-z0-9]{{{RUN},}}")
_HTML_SAFE_JSON = re.compile("[<>&='\u2028\u2029]")


class Masker:
    """Replaces the secrets it was given by ``***``, in every spelling that an answer may echo.

    Thread-safe: a mask that runs beside :meth:`add` uses the old set or the new one. Without a match a
    body costs about 20 µs per 180 KB and spelling, of which an ordinary token has four or five.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._secrets: set[str] = set()
        self._texts: tuple[str, ...] = ()
        self._bodies: tuple[bytes, ...] = ()
        self._stems: tuple[bytes, ...] = ()
        self._begins: dict[bytes, list[bytes]] = {}
        self._longest = 1

    def add(self, secret: str) -> None:
        """Mask ``secret`` from now on; of ``user:password`` also the password alone.

        Values shorter than 6 characters are ignored (see :data:`MIN_LENGTH`).
        """
        secret = secret.strip()
        with self._lock:
            if len(secret) < MIN_LENGTH or secret in self._secrets:
                return
            self._secrets.add(secret)
            forms = {form for known in self._secrets for form in _spellings(known)}
            # Longest first: what is left of a longer secret after a shorter one would tell half of it.
            self._texts = tuple(sorted(forms, key=lambda form: (-len(form), form)))
            self._bodies = tuple(form.encode("utf-8", "surrogatepass") for form in self._texts)
            self._stems = _without_implied(self._bodies)
            begins: dict[bytes, list[bytes]] = {}
            for form in self._bodies:
                begins.setdefault(form[:MIN_LENGTH], []).append(form)
            self._longest, self._begins = len(max(self._bodies, key=len)), begins

    def add_secret(self, secret: Secret) -> None:
        """Mask the value of a credential and those of its members that are secret (not ``client_id``)."""
        self.add(secret.value)
        for name, value in secret.fields.items():
            if name.lower() not in _PUBLIC:
                self.add(value)

    def mask_bytes(self, body: bytes) -> tuple[bytes, int]:
        """``body`` without secrets, and how many were replaced. The same object when there were none.

        A secret that the end of the body cuts off counts too, from its sixth character on."""
        end = self._cut_off(body)
        count = 0
        if end is not None:
            body, count = body[:end] + MASK.encode(), 1
        if not any(stem in body for stem in self._stems):
            return body, count
        for form in self._bodies:
            found = body.count(form)
            if found:
                body = body.replace(form, MASK.encode())
                count += found
        return body, count

    def _cut_off(self, body: bytes) -> int | None:
        """Where the beginning of a secret stands whose rest is missing."""
        tail = body[-self._longest :]
        starts = []
        for begin, forms in self._begins.items():
            at = tail.find(begin)
            while at >= 0:
                rest = tail[at:]
                if any(len(rest) < len(form) and form.startswith(rest) for form in forms):
                    starts.append(len(body) - len(rest))
                at = tail.find(begin, at + 1)
        return min(starts, default=None)

    def mask_text(self, text: str) -> str:
        """``text`` without secrets."""
        for form in self._texts:
            if form in text:
                text = text.replace(form, MASK)
        return text


def _spellings(secret: str) -> Iterator[str]:
    """``secret`` as itself, percent-encoded, in JSON, HTML and base64 (also within other text), and its long runs
    of letters and digits alone; at least 6 characters each."""
    values = [secret]
    user, colon, password = secret.partition(":")
    if colon and user and len(password) >= MIN_LENGTH:
        values.append(password)
    for value in values:
        for form in (value, quote(value, safe=""), quote(value), quote(value, safe="!'()*"), quote_plus(value)):
            yield form
            yield re.sub("%[0-9A-F]{2}", lambda match: match.group().lower(), form)
        yield quote(quote(value, safe=""), safe="")
        yield html.escape(value, quote=False)
        yield html.escape(value)
        yield html.escape(value, quote=False).replace('"', "&#34;").replace("'", "&#39;")
        for escaped in (json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]):
            yield escaped
            yield escaped.replace("/", "\\/")
            yield _HTML_SAFE_JSON.sub(lambda match: f"\\u{ord(match.group()):04x}", escaped)
            yield json.dumps(escaped)[1:-1]
        data = value.encode("utf-8", "surrogatepass")
        for encode in (base64.standard_b64encode, base64.urlsafe_b64encode):
            padded = encode(data).decode()
            yield padded
            yield padded.rstrip("=")
            # `key:` (basic, without a password) shares only the whole groups of three bytes.
            stem = encode(data[: len(data) // 3 * 3]).decode()
            if len(stem) >= MIN_LENGTH:
                yield encode(data + b":").decode()
                yield stem
        yield from _within_base64(value)
        for run in _runs(value):
            yield run
            yield from _within_base64(run)


def _runs(secret: str) -> Iterator[str]:
    """Runs that only this secret can have: with letters and digits, and not the beginning of a JSON in base64,
    which all tokens of one issuer share."""
    for run in _RUNS.findall(secret):
        if not run.isalpha() and not run.isdigit() and not run.startswith("eyJ"):
            yield run


def _within_base64(text: str) -> Iterator[str]:
    """What ``text`` becomes inside a longer text in base64: the characters that no neighbour changes, for each of
    the three places that it can begin at."""
    data = text.encode("utf-8", "surrogatepass")
    for offset in range(3):
        inner = base64.b64encode(bytes(offset) + data).decode()[-(-8 * offset // 6) : (offset + len(data)) * 8 // 6]
        if len(inner) >= MIN_LENGTH:
            yield inner
            yield inner.replace("+", "-").replace("/", "_")


def _without_implied(forms: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """The forms that contain no other one: a body has any form only if it has one of these."""
    return tuple(form for form in forms if not any(other != form and other in form for other in forms))
