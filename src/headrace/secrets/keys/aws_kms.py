"""``aws-kms:KEY``: a key of AWS KMS, by its id, ARN or ``alias/…``; it never leaves AWS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headrace.core.errors import CredentialUnreadable, InputError, KeyUnavailable
from headrace.secrets.boto import boto_client
from headrace.secrets.quiet import no_bodies

_FOREIGN = frozenset({"InvalidCiphertextException", "IncorrectKeyException"})


def make(rest: str, environ: Mapping[str, str], create: bool) -> AwsKms:
    if not rest:
        raise InputError("aws-kms needs a key", hint="HEADRACE_KEY_SERVICE=aws-kms:alias/headrace")
    return AwsKms(rest)


class AwsKms:
    """AWS KMS by boto3; account and region come from the usual places (environment, profile, role).

    The context is KMS's encryption context: CloudTrail shows which credential was opened. ``client`` replaces the
    one that boto3 makes.
    """

    def __init__(self, key: str, client: Any = None) -> None:
        self._key, self._client = key, client

    @property
    def id(self) -> str:
        return f"aws-kms:{self._key}"

    def wrap(self, key: bytes, context: Mapping[str, str]) -> bytes:
        answer = self._call("encrypt", KeyId=self._key, Plaintext=key, EncryptionContext=dict(context))
        return bytes(answer["CiphertextBlob"])

    def unwrap(self, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        answer = self._call("decrypt", KeyId=self._key, CiphertextBlob=wrapped, EncryptionContext=dict(context))
        return bytes(answer["Plaintext"])

    def _call(self, action: str, **given: Any) -> Any:
        client = self._client = self._client or boto_client("kms", "AWS KMS", "aws-kms needs", KeyUnavailable)
        from botocore.exceptions import BotoCoreError, ClientError

        no_bodies("botocore")
        try:
            return getattr(client, action)(**given)
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if code in _FOREIGN:
                raise CredentialUnreadable(
                    f"it was not sealed by {self.id} for this row ({code})",
                    hint="name the key that sealed it: HEADRACE_KEY_SERVICE, or store the credential again",
                ) from None
            raise KeyUnavailable(
                f"AWS KMS refuses to {action} by {self.id}: {code or 'unknown error'}",
                hint="is the key enabled, in this region, and may this role use it (kms:Encrypt, kms:Decrypt)?",
            ) from None
        except BotoCoreError as error:
            raise KeyUnavailable(
                f"AWS KMS cannot be asked for {self.id}: {error}", hint="check region, role and network"
            ) from None
