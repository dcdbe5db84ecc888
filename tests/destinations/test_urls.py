"""A URL names a destination, and shows no secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace.core.errors import CannotOpen, DestinationBusy, UsageError
from headrace.destinations import from_url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("duckdb:///a/b.duckdb", "duckdb:///a/b.duckdb"),
        ("duckdb:////abs.duckdb", "duckdb:////abs.duckdb"),
        ("duckdb:///:memory:", "duckdb:///:memory:"),
        ("sqlite:///tvshows.db", "sqlite:///tvshows.db"),
        ("postgres://me:secret@db.example:5433/x?sslmode=require", "postgresql://me@db.example:5433/x?sslmode=require"),
        ("postgresql://db.example/x?user=me&password=secret", "postgresql://db.example/x?user=me"),
    ],
)
def test_a_url_is_shown_without_its_secrets(url: str, shown: str) -> None:
    destination = from_url(url)
    assert destination.url == shown
    assert "secret" not in repr(destination)


@pytest.mark.parametrize("url", ["duckbd:///x", "mysql://x/y", "x.duckdb", ""])
def test_an_unknown_scheme_lists_what_there_is(url: str) -> None:
    with pytest.raises(UsageError, match=r"duckdb, file, postgres, postgresql, s3, sqlite"):
        from_url(url)


def test_a_misspelt_scheme_gets_a_suggestion() -> None:
    with pytest.raises(UsageError, match="did you mean 'duckdb'"):
        from_url("duckbd:///x")


@pytest.mark.parametrize("url", ["duckdb://", "sqlite:///", "duckdb://host/x"])
def test_a_url_without_a_file(url: str) -> None:
    with pytest.raises(UsageError, match="no file"):
        from_url(url)


@pytest.mark.parametrize("scheme", ["duckdb", "sqlite"])
def test_what_is_no_database_cannot_be_opened(tmp_path: Path, scheme: str) -> None:
    (tmp_path / "text").write_text("not a database, but long enough to look at " * 200)
    for path in (tmp_path / "text", tmp_path / "missing" / "x", tmp_path):
        with pytest.raises(CannotOpen), from_url(f"{scheme}:///{path}").open():
            pass


@pytest.mark.parametrize("scheme", ["duckdb", "sqlite"])
def test_reading_does_not_make_a_file(tmp_path: Path, scheme: str) -> None:
    with pytest.raises(CannotOpen), from_url(f"{scheme}:///{tmp_path}/x").open(read_only=True):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_held_duckdb_file_names_its_holder(tmp_path: Path) -> None:
    import subprocess
    import sys

    file = tmp_path / "x.duckdb"
    code = "import duckdb,sys; c=duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(DestinationBusy, match=f"process {holder.pid}"), from_url(f"duckdb:///{file}").open():
            pass
        holder.communicate()
