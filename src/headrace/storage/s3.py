"""A bucket of S3, or of a server that speaks its protocol, as a store."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from headrace.core.errors import CannotOpen, StorageFailed
from headrace.storage.contract import Entry, Transient

if TYPE_CHECKING:
    from obstore.store import S3Store

PART = 8 << 20
"""Bytes above which an object that may be replaced is sent in parts."""
_TIMEOUT = timedelta(seconds=60)


class Bucket:
    """A :class:`~headrace.storage.contract.Store` below ``prefix`` of a bucket. Credentials and region are those of the
    AWS environment or profile."""

    parallel = 16

    def __init__(self, bucket: str, prefix: str = "", *, endpoint: str = "", region: str = "") -> None:
        self.place = f"s3://{bucket}" + (f"/{prefix}" if prefix else "")
        self._prefix = f"{prefix}/" if prefix else ""
        self._store = _connect(bucket, endpoint, region, self.place)

    def create(self, name: str, data: bytes) -> bool:
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        with self._operation("written", name):
            try:
                self._store.put(self._prefix + name, data, mode="create", use_multipart=False)
            except (AlreadyExistsError, PreconditionError):
                return False
        return True

    def put(self, name: str, data: bytes) -> None:
        with self._operation("written", name):
            self._store.put(self._prefix + name, data, use_multipart=len(data) > PART)

    def get(self, name: str) -> bytes | None:
        with self._operation("read", name):
            try:
                return bytes(self._store.get(self._prefix + name).bytes())
            except FileNotFoundError:
                return None

    def scan(self, folder: str, *, after: str = "") -> Iterator[Entry]:
        below = self._prefix + folder
        with self._operation("listed", folder):
            found = self._store.list(below or None, offset=self._prefix + after if after else None)
            for chunk in found:
                for each in chunk:
                    name = each["path"][len(self._prefix) :]
                    modified = int(each["last_modified"].timestamp() * 1_000_000)
                    yield Entry(name, each["size"], modified)

    def folders(self, folder: str) -> list[str]:
        with self._operation("listed", folder):
            below = self._store.list_with_delimiter(self._prefix + folder or None)["common_prefixes"]
            return sorted(each.rstrip("/").rpartition("/")[2] for each in below)

    def delete(self, names: Iterable[str]) -> None:
        wanted = [self._prefix + name for name in names]
        with self._operation("deleted", ""):
            for start in range(0, len(wanted), 1000):
                self._store.delete(wanted[start : start + 1000])

    def close(self) -> None:
        """Connections go with the object."""

    @contextmanager
    def _operation(self, what: str, name: str) -> Iterator[None]:
        from obstore.exceptions import BaseError, NotFoundError, PermissionDeniedError, UnauthenticatedError

        try:
            yield
        except (PermissionDeniedError, UnauthenticatedError, PermissionError) as error:
            raise StorageFailed(
                f"{name or 'the bucket'} may not be {what}: {_reason(error)}",
                place=self.place,
                hint="credentials are those of the AWS environment or profile; they need s3:GetObject, s3:PutObject, "
                "s3:DeleteObject and s3:ListBucket here",
            ) from None
        except (NotFoundError, FileNotFoundError):
            raise StorageFailed("there is no such bucket", place=self.place) from None
        except (BaseError, OSError) as error:  # the server or the way to it: what healed by itself is no error
            if "NoSuchBucket" in str(error):
                raise StorageFailed("there is no such bucket", place=self.place) from None
            raise Transient(_reason(error)) from None


def _connect(bucket: str, endpoint: str, region: str, place: str) -> S3Store:
    try:
        from obstore.store import S3Store
    except ModuleNotFoundError as error:
        raise CannotOpen(
            "S3 needs the package obstore, which is not installed", place=place, hint="pip install 'headrace[s3]'"
        ) from error
    config: dict[str, Any] = {"virtual_hosted_style_request": False}
    endpoint = endpoint or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
    if endpoint:
        config["endpoint"] = endpoint
    else:
        config["virtual_hosted_style_request"] = "." not in bucket
    region = region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or ""
    provider = None
    if "AWS_ACCESS_KEY_ID" not in os.environ:
        provider, region = _from_profile(region)
    options: dict[str, Any] = {"timeout": _TIMEOUT, "connect_timeout": timedelta(seconds=10)}
    if endpoint.startswith("http://"):
        options["allow_http"] = True
    try:
        return S3Store(
            bucket,
            config={**config, "region": region or "us-east-1"},  # type: ignore[arg-type]  # keys as documented
            client_options=options,  # type: ignore[arg-type]  # keys as documented
            retry_config={"max_retries": 0},  # who retries must know whether a write may have been carried out
            credential_provider=provider,
        )
    except Exception as error:
        raise CannotOpen(f"S3 cannot be used: {_reason(error)}", place=place) from None


def _from_profile(region: str) -> tuple[Any, str]:
    """The credentials and region of the AWS profile, by boto3 where it is installed; else whatever the machine
    itself offers."""
    try:
        import boto3
        from obstore.auth.boto3 import Boto3CredentialProvider
    except ModuleNotFoundError:
        return None, region
    session = boto3.Session()
    if session.get_credentials() is None:
        return None, region
    return Boto3CredentialProvider(session), region or session.region_name or ""


def _reason(error: BaseException) -> str:
    """What went wrong, without the debugging dump behind it. A refusal may quote the request's signature, so nothing
    of the answer's body is kept."""
    text = str(error).strip()
    head = text.split("\n", 1)[0]
    return head.split("<?xml", 1)[0].split("<Error", 1)[0].strip().rstrip(":") or type(error).__name__
