"""Staged destinations on a folder and in a bucket."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace.core import faults
from headrace.core.contracts import Destination
from headrace.destinations import from_url


@pytest.fixture(params=["file", "s3"])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Destination:
    if request.param == "file":
        return from_url(f"file:///{tmp_path}/stage")
    server, bucket = request.getfixturevalue("s3_bucket")
    return from_url(f"s3://{bucket}/stage?endpoint={server}")


@pytest.fixture
def folder(tmp_path: Path) -> Destination:
    return from_url(f"file:///{tmp_path}/stage")


@pytest.fixture(autouse=True)
def _no_fault_stays() -> Iterator[None]:
    yield
    faults.install(None)
