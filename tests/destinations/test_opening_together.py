"""Many sessions opening one new SQLite file in the same instant: none is refused."""

from __future__ import annotations

import threading
from pathlib import Path

from headrace.destinations.sqlite import SQLiteDestination

TURNS = 150
"""Without the second try, about one turn in twelve had a session refused."""


def test_sessions_that_open_a_new_file_at_once_are_all_let_in(tmp_path: Path) -> None:
    refused: list[BaseException] = []
    for turn in range(TURNS):
        destination = SQLiteDestination(path=str(tmp_path / f"{turn}.sqlite"))
        gate = threading.Barrier(12)

        def enter(destination: SQLiteDestination = destination, gate: threading.Barrier = gate) -> None:
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
