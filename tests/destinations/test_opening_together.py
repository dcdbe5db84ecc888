"""Many sessions of one process opening one new file in the same instant: none is refused."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from headrace.core.contracts import Destination
from headrace.destinations import from_url

TURNS = 150
"""Without its second try, SQLite refused a session in about one turn of twelve."""


@pytest.mark.parametrize(("scheme", "turns"), [("sqlite", TURNS), ("duckdb", 20)])
def test_sessions_that_open_a_new_file_at_once_are_all_let_in(scheme: str, turns: int, tmp_path: Path) -> None:
    refused: list[BaseException] = []
    for turn in range(turns):
        destination = from_url(f"{scheme}:///{tmp_path}/{turn}.db")
        gate = threading.Barrier(12)

        def enter(destination: Destination = destination, gate: threading.Barrier = gate) -> None:
            gate.wait()
            try:
                with destination.open():
                    pass
            except Exception as error:
                refused.append(error)

        threads = [threading.Thread(target=enter) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert refused == []
