"""``google:projects/P/secrets/S``: a secret of Google Secret Manager, its latest version unless one is named."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from headrace.core.errors import InputError, SecretMissing
from headrace.secrets.quiet import no_bodies

_NAME = re.compile(r"projects/[^/]+/secrets/[^/]+(/versions/[^/]+)?")
_SECONDS = 20.0


def read(name: str, environ: Mapping[str, str], warn: Callable[[str], None] | None, *, client: Any = None) -> str:
    """Asked with the application's default credentials."""
    if not _NAME.fullmatch(name):
        raise InputError(
            f"google: {name!r} is not the name of a secret", hint="google:projects/P/secrets/S[/versions/V]"
        )
    client = client or _client()
    from google.api_core.exceptions import GoogleAPIError
    from google.auth.exceptions import GoogleAuthError

    version = name if "/versions/" in name else f"{name}/versions/latest"
    no_bodies("google")
    try:
        answer = client.access_secret_version(name=version, timeout=_SECONDS)
    except (GoogleAPIError, GoogleAuthError) as error:
        raise SecretMissing(
            f"Google Secret Manager does not give {name!r}: {type(error).__name__}: {getattr(error, 'message', error)}",
            hint="is it in this project, enabled, and may this account read it (roles/secretmanager.secretAccessor)?",
        ) from None
    try:
        return str(answer.payload.data.decode())
    except UnicodeDecodeError:
        raise SecretMissing(f"the secret {name!r} of Google Secret Manager is not text") from None


def _client() -> Any:
    try:
        from google.auth.exceptions import GoogleAuthError
        from google.cloud import secretmanager_v1
    except ImportError:
        raise SecretMissing(
            "google: references need the package google-cloud-secret-manager",
            hint="write: pip install 'headrace[google]'",
        ) from None
    try:
        return secretmanager_v1.SecretManagerServiceClient()
    except GoogleAuthError as error:
        raise SecretMissing(
            f"Google Secret Manager cannot be asked: {error}",
            hint="set GOOGLE_APPLICATION_CREDENTIALS, or run: gcloud auth application-default login",
        ) from None
