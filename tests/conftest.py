"""What tests of every area may ask for: real servers, started once for each process that runs tests."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

pytest.register_assert_rewrite("headrace.testing")

_numbers = count(1)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A PostgreSQL server of this process's own (each xdist worker has one); the URL of its first database."""
    from headrace.testing.postgres import postgres_server as start

    with start() as url:
        yield url


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """An empty database of the test's own, dropped when it ends, whoever is still connected."""
    import psycopg

    name = f"test_{next(_numbers)}"
    with psycopg.connect(postgres_server, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
    yield postgres_server.rpartition("/")[0] + "/" + name
    with psycopg.connect(postgres_server, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
