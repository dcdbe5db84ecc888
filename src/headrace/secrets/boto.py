"""Clients of AWS services, with short patience."""

from __future__ import annotations

from typing import Any

from headrace.core.errors import HeadraceError


def boto_client(service: str, named: str, needed_by: str, problem: type[HeadraceError]) -> Any:
    """A client of ``service``, which people call ``named``. Account and region come from boto3's usual places. Raises
    ``problem`` where boto3 is not installed (``needed_by`` says what needs it) or has no region."""
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
    except ImportError:
        raise problem(f"{needed_by} the package boto3", hint="write: pip install 'headrace[aws]'") from None
    limits = Config(connect_timeout=5, read_timeout=15, retries={"total_max_attempts": 3})
    try:
        return boto3.client(service, config=limits)
    except BotoCoreError as error:
        raise problem(f"{named} cannot be asked: {error}", hint="set AWS_REGION, or a profile") from None
