"""The library that reads SQL: an extra, since others who need it pin its versions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from headrace.core.errors import UsageError

Dialect = Literal["bigquery", "snowflake", "postgresql", "duckdb", "sqlite"]
"""What people's SQL may be written in."""
DIALECTS: Mapping[str, str] = {
    "bigquery": "bigquery",
    "snowflake": "snowflake",
    "postgresql": "postgres",
    "duckdb": "duckdb",
    "sqlite": "sqlite",
}
"""A dialect of a pipeline file, and what the library calls it."""


def need() -> None:
    """Raises UsageError when the library is not installed."""
    try:
        import sqlglot  # noqa: F401 - whether it is there
    except ImportError as error:
        raise UsageError("SQL steps and SQL checks need sqlglot", hint="pip install 'headrace[sql]'") from error
