"""Envelope encryption: a key of its own for each text, sealed by the key service, both bound to where it stands."""

from __future__ import annotations

import base64
import json
import os
import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from headrace.core.credentials import KeyService
from headrace.core.errors import CredentialUnreadable, KeyUnavailable

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE = 12
_KEY_BITS = 256


def seal(text: str, context: Mapping[str, str], service: KeyService) -> str:
    """``text`` encrypted by AES-256-GCM, with ``context`` as associated data. Raises KeyUnavailable."""
    key = aes_gcm().generate_key(_KEY_BITS)
    body = {
        "v": 1,
        "key": service.id,
        "for": dict(context),
        "wrapped": _encode(service.wrap(key, context)),
        "data": encrypt(text, context, key),
    }
    written = json.dumps(body, separators=(",", ":"))
    return f"{zlib.crc32(written.encode()):08x}.{written}"


def unseal(sealed: str, context: Mapping[str, str], service: KeyService) -> tuple[str, bytes]:
    """The text that was sealed for ``context``, and the key that encrypts it.

    Raises CredentialUnreadable, which tells a text that was cut, moved, rolled back or altered from one that
    another key sealed, and KeyUnavailable.
    """
    body = _read(sealed)
    _compare(body["for"], context)
    other = CredentialUnreadable(
        f"it was sealed by another key: {body['key']}, and the key service is {service.id}",
        hint="name the one that sealed it: HEADRACE_KEY_SERVICE, or store the credential again",
    )
    if str(body["key"]).partition(":")[0] != service.id.partition(":")[0]:
        raise other
    try:
        key = service.unwrap(_decode(body["wrapped"]), context)
    except KeyUnavailable:
        if body["key"] != service.id:  # a cloud refuses a key that is not ours as it refuses one that is gone
            raise other from None
        raise
    return decrypt(str(body["data"]), context, key), key


def encrypt(text: str, context: Mapping[str, str], key: bytes) -> str:
    """``text`` encrypted by ``key`` itself, in base64."""
    nonce = os.urandom(_NONCE)
    return _encode(nonce + aes_gcm()(key).encrypt(nonce, text.encode(), bound(context)))


def decrypt(data: str, context: Mapping[str, str], key: bytes) -> str:
    """What :func:`encrypt` was given. Raises CredentialUnreadable."""
    from cryptography.exceptions import InvalidTag

    cipher = aes_gcm()
    try:
        whole = _decode(data)
        return cipher(key).decrypt(whole[:_NONCE], whole[_NONCE:], bound(context)).decode()
    except (InvalidTag, ValueError):
        raise CredentialUnreadable("it was altered since it was sealed", hint="store the credential again") from None


def bound(context: Mapping[str, str]) -> bytes:
    """The associated data: the same bytes for the same context, whatever its order."""
    return json.dumps(dict(context), sort_keys=True, separators=(",", ":")).encode()


def aes_gcm() -> type[AESGCM]:
    """The cipher. Raises CredentialUnreadable when the package for it is not installed."""
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError:
        raise CredentialUnreadable(
            "stored credentials need the package cryptography", hint="write: pip install 'headrace[credentials]'"
        ) from None
    return AESGCM


def _read(sealed: str) -> Mapping[str, str | Mapping[str, str]]:
    check, dot, written = sealed.partition(".")
    try:
        whole = bool(dot) and zlib.crc32(written.encode()) == int(check, 16)
        body = json.loads(written) if whole else None
    except ValueError:
        body = None
    if not isinstance(body, dict) or body.get("v") != 1:
        raise CredentialUnreadable(
            "its ciphertext is cut short or damaged", hint="restore the state file, or store the credential again"
        )
    return body


def _compare(sealed_for: object, context: Mapping[str, str]) -> None:
    """Say what does not fit before the cipher merely refuses."""
    made = sealed_for if isinstance(sealed_for, Mapping) else {}
    differing = [name for name in (*context, *made) if made.get(name) != context.get(name)]
    if not differing:
        return
    hint = "nobody may copy, restore or edit single rows of this table: store the credential again"
    if differing[0] == "version" and str(made.get("version", "")).isdigit() and context["version"].isdigit():
        older = int(made["version"]) < int(context["version"])
        raise CredentialUnreadable(
            f"it is the ciphertext of version {made['version']} in the row of version {context['version']}"
            f"{': it was rolled back' if older else ''}",
            hint=hint,
        )
    raise CredentialUnreadable(
        "it was moved: it was sealed for "
        + ", ".join(f"{name} {made.get(name, 'none')}" for name in dict.fromkeys(differing))
        + ", and stands in the row of "
        + ", ".join(f"{name} {context.get(name, 'none')}" for name in dict.fromkeys(differing)),
        hint=hint,
    )


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _decode(text: object) -> bytes:
    return base64.b64decode(str(text))
