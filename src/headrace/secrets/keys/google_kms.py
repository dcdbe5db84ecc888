"""``google-kms:projects/…/cryptoKeys/…``: a key of Google Cloud KMS; it never leaves Google."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from headrace.core.errors import CredentialUnreadable, InputError, KeyUnavailable
from headrace.secrets.envelope import bound
from headrace.secrets.quiet import no_bodies

_NAME = re.compile(r"projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+")
_SECONDS = 20.0


def make(rest: str, environ: Mapping[str, str], create: bool) -> GoogleKms:
    if not _NAME.fullmatch(rest):
        raise InputError(
            f"google-kms: {rest!r} is not the name of a key",
            hint="google-kms:projects/P/locations/L/keyRings/R/cryptoKeys/K",
        )
    return GoogleKms(rest)


class GoogleKms:
    """Cloud KMS by its official client, with the application's default credentials; the context is the additional
    authenticated data. ``client`` replaces the one that is made."""

    def __init__(self, key: str, client: Any = None) -> None:
        self._key, self._client = key, client

    @property
    def id(self) -> str:
        return f"google-kms:{self._key}"

    def wrap(self, key: bytes, context: Mapping[str, str]) -> bytes:
        return bytes(self._call("encrypt", context, plaintext=key).ciphertext)

    def unwrap(self, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        return bytes(self._call("decrypt", context, ciphertext=wrapped).plaintext)

    def _call(self, action: str, context: Mapping[str, str], **given: bytes) -> Any:
        client = self._client = self._client or _client()
        from google.api_core import exceptions
        from google.auth.exceptions import GoogleAuthError

        request = {"name": self._key, "additional_authenticated_data": bound(context), **given}
        no_bodies("google")
        try:
            return getattr(client, action)(request=request, timeout=_SECONDS)
        except exceptions.InvalidArgument:
            raise CredentialUnreadable(
                f"it was not sealed by {self.id} for this row",
                hint="name the key that sealed it: HEADRACE_KEY_SERVICE, or store the credential again",
            ) from None
        except (exceptions.GoogleAPIError, GoogleAuthError) as error:
            raise KeyUnavailable(
                f"Google KMS refuses to {action} by {self.id}: {type(error).__name__}: {getattr(error, 'message', error)}",
                hint="is the key's version enabled, and may this account use it "
                "(roles/cloudkms.cryptoKeyEncrypterDecrypter)?",
            ) from None


def _client() -> Any:
    try:
        from google.auth.exceptions import GoogleAuthError
        from google.cloud import kms_v1
    except ImportError:
        raise KeyUnavailable(
            "google-kms needs the package google-cloud-kms", hint="write: pip install 'headrace[google]'"
        ) from None
    try:
        return kms_v1.KeyManagementServiceClient()
    except GoogleAuthError as error:
        raise KeyUnavailable(
            f"Google KMS cannot be asked: {error}", hint="set GOOGLE_APPLICATION_CREDENTIALS, or run: gcloud auth "
            "application-default login",
        ) from None  # fmt: skip
