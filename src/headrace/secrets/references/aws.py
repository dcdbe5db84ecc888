"""``aws:NAME``: a secret of AWS Secrets Manager, by name or ARN."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from headrace.core.errors import SecretMissing
from headrace.secrets.boto import boto_client
from headrace.secrets.quiet import no_bodies


def read(name: str, environ: Mapping[str, str], warn: Callable[[str], None] | None, *, client: Any = None) -> str:
    """The current version. Account and region come from boto3's usual places."""
    client = client or boto_client("secretsmanager", "AWS Secrets Manager", "aws: references need", SecretMissing)
    from botocore.exceptions import BotoCoreError, ClientError

    no_bodies("botocore")
    try:
        answer = client.get_secret_value(SecretId=name)
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", "")) or "unknown error"
        raise SecretMissing(
            f"AWS Secrets Manager does not give {name!r}: {code}",
            hint="is it in this account and region, and may this role read it (secretsmanager:GetSecretValue)?",
        ) from None
    except BotoCoreError as error:
        raise SecretMissing(
            f"AWS Secrets Manager cannot be asked for {name!r}: {error}", hint="check region, role and network"
        ) from None
    text = answer.get("SecretString")
    return str(text) if text is not None else _text(answer["SecretBinary"], name)


def _text(data: bytes, name: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise SecretMissing(f"the secret {name!r} of AWS Secrets Manager is not text") from None
