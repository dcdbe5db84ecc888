"""What counts as removed is what is gone; an engine that is broken on purpose does not get away with it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from headrace.crawl import completeness, extract
from headrace.destinations import _finish
from headrace.testing.churn.__main__ import main
from headrace.testing.churn.history import Database
from headrace.testing.churn.play import Outcome, play
from headrace.testing.churn.truth import Truth

HISTORIES = 36
KINDS = {"done", "partial", "failed", "interrupted", "killed", "suspect", "resumed", "held", "confirmed", "rejected",
         "removed", "reappeared"}  # fmt: skip


def violations(outcomes: list[Outcome]) -> dict[int, tuple[str, ...]]:
    return {each.history.seed: each.violations for each in outcomes if each.violations}


def test_what_counts_as_removed_is_gone() -> None:
    outcomes = [play(seed) for seed in range(HISTORIES)]
    assert violations(outcomes) == {}
    counts = sum((each.counts for each in outcomes), Counter[str]())
    assert {kind for kind in KINDS if not counts[kind]} == set(), "every kind of call happened"
    assert counts["crawls"] > 400
    assert sum(each.right for each in outcomes) > 100


@pytest.mark.parametrize("database", ["sqlite", "duckdb"])
def test_in_a_real_database_too(database: Database) -> None:
    outcomes = [play(seed, database) for seed in range(5000, 5004)]
    assert violations(outcomes) == {}
    assert sum(each.counts["removed"] for each in outcomes) > 0


def test_a_seed_is_one_history() -> None:
    for seed in range(3):
        assert play(seed).log == play(seed).log


def never_hold_back(patch: pytest.MonkeyPatch) -> None:
    rules = extract.table_rules
    patch.setattr(extract, "table_rules", lambda *given: [replace(s, removed_share=1.0) for s in rules(*given)])


def miss_once(patch: pytest.MonkeyPatch) -> None:
    rules = extract.table_rules
    patch.setattr(extract, "table_rules", lambda *given: [replace(s, removed_after=1) for s in rules(*given)])


def miss_what_came_behind(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(_finish, "first_page_of", lambda *_: (1 << 63) - 1)


def take_a_pause_for_the_end(patch: pytest.MonkeyPatch) -> None:
    verdict = completeness.verdict

    def mild(*given: Any) -> tuple[str, str]:
        status, why = verdict(*given)
        return ("done", "") if status == "partial" else (status, why)

    patch.setattr(completeness, "verdict", mild)


def mix_scopes(patch: pytest.MonkeyPatch) -> None:
    finish = extract.Finish
    patch.setattr(extract, "Finish", lambda step, scope, *more: finish(step, "x", *more))


@pytest.mark.parametrize(
    "broken", [never_hold_back, miss_once, miss_what_came_behind, take_a_pause_for_the_end, mix_scopes]
)
def test_a_broken_engine_is_found_out(
    broken: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(monkeypatch)
    assert any(play(seed).violations for seed in range(HISTORIES))


def test_the_truth_is_what_it_says() -> None:
    truth = Truth(after=2, max_share=0.5)
    truth.given("x", {1, 2, 3}, at=10)
    truth.given("y", {3}, at=11)
    assert truth.complete("x", {1, 2}, began=20, unsure=False) == set()
    assert truth.removed() == set(), "missed once"
    assert truth.complete("x", {1}, began=30, unsure=True) == {3}
    assert truth.complete("x", {1}, began=40, unsure=False) == {2, 3}, "two thirds are too many"
    truth.confirm("x", {1}, began=40)
    assert truth.removed() == {2}, "y still has 3"
    truth.given("x", {2}, at=50)
    assert truth.removed() == set()
    truth.complete("x", {1}, began=45, unsure=False)
    assert truth.scopes["x"][2].missed == 0, "what came after a crawl began is none that it missed"


def test_the_command_ends_with_figures_and_keeps_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seeds", "3", "--out", str(tmp_path / "churn.json")]) == 0
    lines = dict(line.split(" ", 1) for line in capsys.readouterr().out.splitlines())
    assert (lines["histories"], lines["precision"], lines["recall"], lines["violations"]) == ("3", "1.0", "1.0", "0")
    kept = json.loads((tmp_path / "churn.json").read_text())
    assert kept["figures"]["crawls"] == int(lines["crawls"])
    assert kept["command"].startswith("python -m headrace.testing.churn --seeds 3")
    assert "precision 1.0" in (tmp_path / "churn.txt").read_text()


def test_a_violation_shows_its_seed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    miss_what_came_behind(monkeypatch)
    assert main(["--seeds", "10"]) == 1
    said = capsys.readouterr().out
    assert "VIOLATION removed, and is not: [" in said
    assert "\nseed " in said
