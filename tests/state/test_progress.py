"""The service's stores, each against the contract."""

from __future__ import annotations

import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
import redis

from headrace.core.errors import StateError, UsageError
from headrace.state.progress.contract import ProgressStore, Request
from headrace.state.progress.open import open_progress
from headrace.state.progress.sqlite import SqliteProgress
from headrace.testing.gate import Gate
from headrace.testing.progress_suite import ProgressContract, request, together


class TestSqlite(ProgressContract):
    opener = "headrace.state.progress.sqlite:SqliteProgress"

    @pytest.fixture
    def address(self, tmp_path: Path) -> str:
        return str(tmp_path / "state" / "service.db")

    @pytest.fixture
    def outage(self, address: str) -> Callable[[], AbstractContextManager[None]]:
        folder = Path(address).parent

        @contextmanager
        def away() -> Iterator[None]:
            """As when a file system is no longer there."""
            hidden = folder.rename(folder.with_name("elsewhere"))
            folder.touch()
            try:
                yield
            finally:
                folder.unlink()
                hidden.rename(folder)

        return away

    def test_a_locked_file_is_an_error_and_nothing_is_half_written(self, store: ProgressStore, address: str) -> None:
        store.create(Request("r1", "p"))
        with closing(SqliteProgress(address, patience=0.05)) as impatient:
            with closing(sqlite3.connect(address, isolation_level=None)) as locker:
                locker.execute("BEGIN IMMEDIATE")
                assert impatient.get("r1") is not None, "reading needs no lock"
                with pytest.raises(StateError, match="locked"):
                    impatient.create(Request("r2", "p"), key="k")
            assert impatient.create(Request("r3", "p"), key="k").request_id == "r3"

    def test_a_deleted_file_is_made_again(self, store: ProgressStore, address: str) -> None:
        store.create(Request("r1", "p"))
        for file in Path(address).parent.glob("service.db*"):
            file.unlink()
        assert store.get("r1") is None
        store.create(Request("r2", "p"))
        with closing(SqliteProgress(address)) as other:
            assert other.get("r2") is not None

    def test_a_newer_file_is_refused(self, store: ProgressStore, address: str) -> None:
        store.close()
        with closing(sqlite3.connect(address)) as connection:
            connection.execute("PRAGMA user_version = 99")
        with pytest.raises(StateError, match="newer"):
            SqliteProgress(address)

    def test_it_is_private(self, store: ProgressStore, address: str) -> None:
        assert Path(address).stat().st_mode & 0o077 == 0


class TestRedis(ProgressContract):
    opener = "headrace.state.progress.redis:RedisProgress"

    @pytest.fixture
    def gate(self, redis_url: str) -> Iterator[Gate]:
        with Gate(urlsplit(redis_url).port or 0) as gate:
            yield gate

    @pytest.fixture
    def address(self, gate: Gate) -> str:
        return f"redis://127.0.0.1:{gate.listening}/0"

    @pytest.fixture
    def outage(self, gate: Gate) -> Callable[[], AbstractContextManager[None]]:
        return gate.away

    def test_a_request_is_a_hash_that_anybody_can_read(self, store: ProgressStore, redis_url: str) -> None:
        self.held(store)
        store.update("r1", "a", step="Fetching cast", progress=40.5)
        with redis.Redis.from_url(redis_url, decode_responses=True) as client:
            found = client.hgetall("headrace:request:r1")
        assert (found["step"], found["progress"], found["status"], found["error"]) == (
            "Fetching cast",
            "40.5",
            "running",
            "",
        )

    def test_nothing_is_left_of_what_is_forgotten(self, store: ProgressStore, redis_url: str) -> None:
        self.held(store, scope="s", org="acme")
        store.append_events("r1", [{"n": 1}])
        store.create(request(2, scope="t"), key="k")
        store.update("r1", "a", status="done")
        store.ask_cancel("r2")
        assert store.forget(before=2**60) == 2
        with redis.Redis.from_url(redis_url, decode_responses=True) as client:
            assert client.keys("*") == []


class TestPostgres(ProgressContract):
    opener = "headrace.state.progress.postgresql:PostgresProgress"

    @pytest.fixture
    def gate(self, postgres_url: str) -> Iterator[Gate]:
        with Gate(urlsplit(postgres_url).port or 0) as gate:
            yield gate

    @pytest.fixture
    def address(self, gate: Gate) -> str:
        return f"postgresql://postgres@127.0.0.1:{gate.listening}/postgres"

    @pytest.fixture
    def outage(self, gate: Gate) -> Callable[[], AbstractContextManager[None]]:
        return gate.away

    def test_eight_instances_create_one_schema(self, address: str) -> None:
        stores = together(8, lambda n: open_progress(address))
        try:
            stores[0].create(request(1))
            assert [store.get("r1") is not None for store in stores] == [True] * 8
        finally:
            for store in stores:
                store.close()

    def test_a_newer_schema_is_refused(self, store: ProgressStore, address: str) -> None:
        with psycopg.connect(address) as connection:
            connection.execute("UPDATE headrace_service.version SET version = 99")
        with pytest.raises(StateError, match="newer"):
            open_progress(address)

    def test_a_user_who_may_not_create_is_told(self, address: str) -> None:
        with psycopg.connect(address) as connection:
            connection.execute("DROP ROLE IF EXISTS guest")
            connection.execute("CREATE ROLE guest LOGIN")
        with pytest.raises(StateError, match=r"(?s)permission denied.*headrace_service"):
            open_progress(address.replace("postgres@", "guest@"))


def test_without_a_url_it_is_a_file_of_the_folder(tmp_path: Path) -> None:
    with closing(open_progress(None, tmp_path / "state")):
        assert (tmp_path / "state" / "service.db").is_file()


@pytest.mark.parametrize("url", ["mysql://u:hidden@h/db", "nonsense", "", "/path/to/file", "postgres"])
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(UsageError, match="redis://") as caught:
        open_progress(url)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["redis://:hidden@127.0.0.1:nonsense/0", "redis://:hidden@[::1/0", "rediss://u:hidden@h/x?no=1"]
)
def test_a_url_that_names_no_redis(url: str) -> None:
    with pytest.raises((UsageError, StateError)) as caught:
        open_progress(url)
    assert "hidden" not in str(caught.value)


def test_a_url_that_names_no_postgresql() -> None:
    with pytest.raises(UsageError, match="not the URL of a PostgreSQL") as caught:
        open_progress("postgresql://u:hidden@127.0.0.1/x?nonsense=1")
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["redis", "valkey"])
def test_a_redis_that_is_not_there_is_named_without_its_password(scheme: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(StateError, match=rf"(?s){scheme}://127.0.0.1:{port}/3: .*REDIS_URL") as caught:
            open_progress(f"{scheme}://user:hidden@127.0.0.1:{port}/3")
    assert "hidden" not in str(caught.value)


def test_what_is_asked_all_the_time_reads_no_history(tmp_path: Path) -> None:
    """Of a file of all runs, the few that go on are found by their index."""

    with closing(SqliteProgress(tmp_path / "service.db")) as store:
        seen: list[str] = []
        store._opened().set_trace_callback(seen.append)
        store.claim("a", lease_seconds=1)
        store.latest(org="a")
        store.latest()
        store.find(org="a", status=("queued", "running"))
        store._opened().set_trace_callback(None)
        asked = [sql for sql in seen if "requests" in sql]
        assert len(asked) == 4
        for sql in asked:
            plan = [row[3] for row in store._opened().execute(f"EXPLAIN QUERY PLAN {sql}")]
            assert not [line for line in plan if line.startswith("SCAN requests") and "INDEX" not in line], plan
            assert any("INDEX waiting" in line for line in plan), plan
