"""A key that this process holds itself."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Mapping

from headrace.core.errors import CredentialUnreadable
from headrace.secrets.envelope import aes_gcm, bound

SIZE = 32
_MARK, _NONCE = 8, 12


class LocalKey:
    """Seals by a key of 32 bytes in memory. What is sealed begins with the key's fingerprint."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._mark = hashlib.sha256(b"headrace key fingerprint\0" + key).digest()[:_MARK]

    @property
    def id(self) -> str:
        return f"local:{self._mark.hex()}"

    def wrap(self, key: bytes, context: Mapping[str, str]) -> bytes:
        nonce = os.urandom(_NONCE)
        return self._mark + nonce + aes_gcm()(self._key).encrypt(nonce, key, bound(context))

    def unwrap(self, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        from cryptography.exceptions import InvalidTag

        mark, nonce, sealed = wrapped[:_MARK], wrapped[_MARK : _MARK + _NONCE], wrapped[_MARK + _NONCE :]
        if mark != self._mark:
            raise CredentialUnreadable(
                f"it was sealed by another key: local:{mark.hex()}, and this one is {self.id}",
                hint="restore the key that sealed it (HEADRACE_KEY_SERVICE names it), or store the credential again",
            )
        try:
            return aes_gcm()(self._key).decrypt(nonce, sealed, bound(context))
        except (InvalidTag, ValueError):
            raise CredentialUnreadable(
                "it was altered since it was sealed", hint="store the credential again"
            ) from None


def decoded(text: str) -> bytes | None:
    """The key that a text spells in base64 or hexadecimal; ``None`` unless it is one of 32 bytes."""
    text = text.strip()
    for decode in (bytes.fromhex, base64.b64decode):
        try:
            key = decode(text)
        except ValueError:
            continue
        if len(key) == SIZE:
            return key
    return None
