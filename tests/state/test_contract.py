"""SQLite passes the state contract."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace.testing.state_suite import StateContract


class TestSqlite(StateContract):
    opener = "headrace.state.store:StateStore.open"

    @pytest.fixture
    def address(self, tmp_path: Path) -> str:
        return str(tmp_path / "state")
