"""What tests of every area may ask for: real servers, started once for each process that runs tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from headrace.testing.valkey import Valkey

pytest.register_assert_rewrite("headrace.testing")
# How fast a busy machine is decides no test.
settings.register_profile("patient", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture(scope="session", autouse=True)
def _nothing_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Runs of tests that name no state folder stay out of that of the person who runs the tests, and off their key."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADRACE_STATE", str(tmp_path_factory.mktemp("state")))
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        yield


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A PostgreSQL server of this process's own (each xdist worker has one); the URL of its first database."""
    from headrace.testing.postgres import postgres_server as start

    with start() as url:
        yield url


@pytest.fixture
def postgres_url(postgres_server: str) -> str:
    """An empty database for one test, whatever the test before left in it or still holds open.

    One database is emptied again and again: making a new one copies a thousand files.
    """
    import psycopg

    with psycopg.connect(postgres_server, autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        schemas = admin.execute(
            "SELECT quote_ident(nspname) FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'"
        )
        for (schema,) in schemas.fetchall():
            admin.execute(f"DROP SCHEMA {schema} CASCADE".encode())
        admin.execute("CREATE SCHEMA public")
    return postgres_server


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[Valkey]:
    """A Valkey server of this process's own, which keeps nothing when it stops."""
    from headrace.testing.valkey import valkey_server as start

    with start() as server:
        yield server


@pytest.fixture
def redis_url(valkey_server: Valkey) -> str:
    """An empty Redis for one test."""
    import redis

    with redis.Redis.from_url(valkey_server.url) as client:
        client.flushall()
    return valkey_server.url


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """A server that speaks S3, on loopback; its URL."""
    import logging
    from contextlib import redirect_stdout
    from io import StringIO

    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    with redirect_stdout(StringIO()):
        server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3_bucket(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """The server, and an empty bucket of the test's own; credentials are in the environment."""
    from uuid import uuid4

    import boto3

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test-key-of-s3")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test-secret-of-s3")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    name = f"lake-{uuid4().hex[:12]}"
    boto3.client("s3", endpoint_url=s3_server).create_bucket(Bucket=name)
    return s3_server, name
