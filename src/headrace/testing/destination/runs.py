"""Runs are kept with all that a resume and a replay need."""

from __future__ import annotations

from dataclasses import replace

from headrace.core.contracts import Session
from headrace.core.tables import RunRecord

from .build import RAW, START
from .target import DestinationTests, Target


def record(number: int, **changes: object) -> RunRecord:
    made = RunRecord(
        run_id=f"run-{number}",
        pipeline="sapi",
        org="default",
        status="running",
        params={"country": "us", "big": 2**70, "nul": "\x00", "list": [1, None, True]},
        resolved={"steps": [{"step": "crawl", "price": 0.1, "emoji": "🎬"}]},
        request_hash="r",
        mapping_hash="m",
        scope="scope",
        now=START + number,
        started_at=START + number,
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # fields by name


class Runs(DestinationTests):
    def test_a_run_comes_back_whole(self, session: Session) -> None:
        session.prepare([], [RAW])
        assert session.run("run-1") is None
        session.save_run(record(1))
        assert session.run("run-1") == record(1)

    def test_a_parameter_that_is_not_unicode(self, session: Session) -> None:
        """What a shell hands over as bytes that are not UTF-8."""
        session.prepare([], [RAW])
        session.save_run(record(1, params={"path": "caf\udce9"}))
        stored = session.run("run-1")
        assert stored is not None
        assert stored.params == {"path": "caf\udce9"}

    def test_saving_again_updates(self, session: Session) -> None:
        session.prepare([], [RAW])
        session.save_run(record(1))
        ended = record(
            1, status="failed", finished_at=START + 9, rows=2**40, pages=3, requests=4, error="no \x00 é\n'quoted'"
        )
        session.save_run(ended)
        stored = session.run("run-1")
        assert stored is not None
        assert replace(stored, error="") == replace(ended, error="")
        assert "'quoted'" in stored.error
        assert len(session.runs()) == 1

    def test_runs_are_listed_latest_first(self, session: Session) -> None:
        session.prepare([], [RAW])
        for number in (2, 3, 1):
            session.save_run(record(number, pipeline="a" if number == 2 else "b"))
        assert [each.run_id for each in session.runs()] == ["run-3", "run-2", "run-1"]
        assert [each.run_id for each in session.runs(pipeline="b")] == ["run-3", "run-1"]
        assert [each.run_id for each in session.runs(limit=1)] == ["run-3"]

    def test_an_empty_database_has_no_runs(self, session: Session) -> None:
        """Asked before anything was prepared: `headrace runs` on a new file."""
        assert session.runs() == []
        assert session.run("run-1") is None
        assert session.checkpoints("run-1") == []
        assert session.columns("nothing") == {}
        assert session.removals() == []

    def test_runs_survive_reopening(self, target: Target) -> None:
        with target.destination.open() as session:
            session.prepare([], [RAW])
            session.save_run(record(1))
        with target.destination.open() as session:
            assert session.run("run-1") == record(1)
