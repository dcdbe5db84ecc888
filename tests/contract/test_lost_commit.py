"""The connection breaks around COMMIT: the session learns what became of it, or says that it cannot."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import psycopg
import pytest

from headrace.core.contracts import Session
from headrace.core.errors import CommitFailed, CommitUnknown
from headrace.core.tables import Group, StreamKey
from headrace.destinations import from_url
from headrace.testing.destination.build import RAW, Writer, page, table
from headrace.testing.destination.read import contents
from headrace.testing.proxy import Proxy

ITEMS = table("items", "merge", {"id": "int", "name": "string"}, key=("id",))
LOG = table("log", "append", {"line": "string"})
KEY = StreamKey("run-1", "extract")
SLOW_COMMIT = """
CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.7); RETURN NULL; END';
CREATE CONSTRAINT TRIGGER dawdle AFTER INSERT OR UPDATE ON headrace_checkpoints
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION dawdle()
"""

Stands = Callable[[int], None]


@pytest.fixture
def proxy(postgres_url: str) -> Iterator[Proxy]:
    port = urlsplit(postgres_url).port
    assert port is not None
    with Proxy(port) as proxy:
        yield proxy


@pytest.fixture
def session(postgres_url: str, proxy: Proxy) -> Iterator[Session]:
    """A session that goes through the proxy, one page committed."""
    through = postgres_url.replace(f":{proxy.port}/", f":{proxy.listening}/")
    with from_url(through).open() as session:
        writer = Writer(session).prepare(ITEMS, LOG)
        writer.commit(page(1, ITEMS, [{"id": 1, "name": "a"}]))
        yield session


@pytest.fixture
def stands(postgres_url: str) -> Stands:
    """Asserts, by another way than the proxy, that this many pages are committed, each once."""

    def check(pages: int) -> None:
        _await_servers(postgres_url)
        with from_url(postgres_url).open() as direct:
            direct.prepare([ITEMS, LOG], [RAW])
            stored = direct.checkpoint(KEY)
            assert stored is not None
            assert stored.page_number == pages
            assert [raw.page_number for raw in direct.raw_pages(RAW)] == list(range(1, pages + 1))
            assert contents(direct, LOG) == [(str(n),) for n in range(2, pages + 1)]
            assert contents(direct, ITEMS) == [(1, "a")]

    return check


def _await_servers(url: str) -> None:
    """Until no backend is inside a transaction: a COMMIT may still be on its way when its sender has given up."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as admin:
        for _ in range(1_000):
            busy = admin.execute(
                "SELECT count(*) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'"
            ).fetchone()
            if busy == (0,):
                return
            time.sleep(0.01)
    pytest.fail("a backend stays inside its transaction")


def group(session: Session, number: int) -> Group:
    return Writer(session).group(page(number, LOG, [{"line": str(number)}]))


def test_a_commit_that_never_arrived_has_failed(session: Session, proxy: Proxy, stands: Stands) -> None:
    second = group(session, 2)
    proxy.cut = "before"
    with pytest.raises(CommitFailed):
        session.commit(second)
    assert proxy.fired.is_set()
    stands(1)
    session.commit(second)
    stands(2)


def test_a_commit_that_arrived_is_found(session: Session, proxy: Proxy, stands: Stands) -> None:
    second = group(session, 2)
    proxy.cut = "after"
    receipt = session.commit(second)
    assert proxy.fired.is_set()
    assert receipt.rows["log"] == 1
    stands(2)
    session.commit(group(session, 3))
    stands(3)


def test_a_commit_that_is_still_under_way_is_waited_for(
    session: Session, proxy: Proxy, stands: Stands, postgres_url: str
) -> None:
    """A plain look at the checkpoint would see the old page, and the crawl would write the rows again."""
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(SLOW_COMMIT)
    second = group(session, 2)
    proxy.cut = "after"
    session.commit(second)
    assert proxy.fired.is_set()
    stands(2)


def test_a_first_commit_that_is_still_under_way_is_waited_for(
    session: Session, proxy: Proxy, postgres_url: str
) -> None:
    """There is no row yet that could be locked."""
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(SLOW_COMMIT)
    first = Writer(session).group(page(1, LOG, [{"line": "first"}], slice="new"))
    proxy.cut = "after"
    session.commit(first)
    assert proxy.fired.is_set()
    with from_url(postgres_url).open() as direct:
        assert contents(direct, LOG) == [("first",)]
        assert direct.checkpoint(first.advances[0].at.key) is not None


def test_a_server_that_waits_for_the_lost_client(session: Session, proxy: Proxy, stands: Stands) -> None:
    """The old transaction still holds the checkpoint's lock when the session asks."""
    second = group(session, 2)
    proxy.cut = "partition"
    with pytest.raises((CommitFailed, CommitUnknown)):
        session.commit(second)
    assert proxy.fired.is_set()
    proxy.__exit__()
    stands(1)


@pytest.mark.parametrize(("cut", "pages"), [("before", 1), ("after", 2)])
def test_a_server_that_cannot_be_asked_leaves_it_unknown(
    session: Session, proxy: Proxy, stands: Stands, cut: str, pages: int
) -> None:
    second = group(session, 2)
    proxy.dead_after = True
    proxy.cut = cut  # type: ignore[assignment]  # a Literal
    with pytest.raises(CommitUnknown):
        session.commit(second)
    stands(pages)


def test_a_connection_lost_before_the_end_has_failed(session: Session, proxy: Proxy, stands: Stands) -> None:
    second = group(session, 2)
    proxy.trigger = re.compile(rb"headrace_checkpoints")
    proxy.cut = "before"
    with pytest.raises(CommitFailed):
        session.commit(second)
    stands(1)
    session.commit(second)
    stands(2)
