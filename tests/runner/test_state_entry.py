"""What the state store is told of a run has to hold in another folder too."""

from pathlib import Path

import pytest

from headrace.destinations import from_url
from headrace.runner.holding import lasting_url


@pytest.mark.parametrize("scheme", ["duckdb", "sqlite"])
def test_a_file_is_named_from_the_root(scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    url = lasting_url(from_url(f"{scheme}:///data/my.db"))
    monkeypatch.chdir("/")
    assert Path(from_url(url).path) == tmp_path / "data" / "my.db"  # type: ignore[attr-defined]  # file kinds have it


def test_what_is_no_file_keeps_its_url() -> None:
    assert lasting_url(from_url("duckdb:///:memory:")) == "duckdb:///:memory:"
    assert lasting_url(from_url("postgresql://me:pw@db.example/x")) == from_url("postgresql://me:pw@db.example/x").url
