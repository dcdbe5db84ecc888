"""JSON Lines or Parquet files in a bucket, with manifests that say which of them count."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote

from headrace.core.errors import UsageError
from headrace.destinations._stage import StageDestination

if TYPE_CHECKING:
    from headrace.storage.contract import Store

_EXAMPLE = "write s3://bucket/prefix, with options such as ?format=parquet behind it"
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


class S3Destination(StageDestination):
    """A bucket of S3, or of a server that speaks its protocol: staged files in
    ``source=…/dt=…/hour=…/batch_id=…``. Credentials are those of the AWS environment or profile, never in the URL."""

    type: Literal["s3"] = "s3"
    bucket: str
    prefix: str = ""
    """Where in the bucket."""
    endpoint: str = ""
    """The server, where it is not Amazon's (otherwise ``AWS_ENDPOINT_URL`` says so)."""
    region: str = ""
    """Otherwise ``AWS_REGION`` or the profile says it."""

    @classmethod
    def from_url(cls, url: str) -> S3Destination:
        address, _, options = url.partition("://")[2].partition("?")
        bucket, _, prefix = address.partition("/")
        if "@" in bucket:
            raise UsageError("s3: no credentials in the URL", hint="they are those of the AWS environment or profile")
        if not _BUCKET.fullmatch(bucket):
            raise UsageError("s3: no bucket named", hint=_EXAMPLE)
        made: S3Destination = cls._made(options, _EXAMPLE, bucket=bucket, prefix=unquote(prefix.strip("/")))
        if "@" in made.endpoint:
            raise UsageError(
                "s3: no credentials in the endpoint", hint="they are those of the AWS environment or profile"
            )
        return made

    @property
    def url(self) -> str:
        return f"s3://{self.bucket}" + (f"/{self.prefix}" if self.prefix else "") + self._options()

    @classmethod
    def _in_path(cls) -> frozenset[str]:
        return frozenset({"bucket", "prefix"})

    def store(self) -> Store:
        from headrace.storage.s3 import Bucket

        return Bucket(self.bucket, self.prefix, endpoint=self.endpoint, region=self.region)
