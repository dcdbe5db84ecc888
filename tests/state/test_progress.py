"""The service's stores, each against the contract."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import pytest

from headrace.core.errors import StateError, UsageError
from headrace.state.progress.contract import ProgressStore, Request
from headrace.state.progress.open import open_progress
from headrace.state.progress.sqlite import SqliteProgress
from headrace.testing.progress_suite import ProgressContract


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


def test_without_a_url_it_is_a_file_of_the_folder(tmp_path: Path) -> None:
    with closing(open_progress(None, tmp_path / "state")):
        assert (tmp_path / "state" / "service.db").is_file()


@pytest.mark.parametrize("url", ["mysql://u:hidden@h/db", "nonsense", "", "/path/to/file", "postgres"])
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(UsageError, match="redis://") as caught:
        open_progress(url)
    assert "hidden" not in str(caught.value)
