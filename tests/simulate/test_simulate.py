"""Many seeds keep every promise; an engine that is broken on purpose does not get away with it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from headrace.core.tables import Group, Receipt
from headrace.crawl import fetch
from headrace.crawl.arrivals import Ready
from headrace.crawl.channel import Channel
from headrace.crawl.fetch import Stream
from headrace.crawl.writer import _Pending
from headrace.testing.simulate.__main__ import main
from headrace.testing.simulate.cache import MemoryCache
from headrace.testing.simulate.model import ModelSession
from headrace.testing.simulate.run import Outcome, first_violation, simulate
from headrace.testing.simulate.scenario import draw
from headrace.testing.simulate.watch import Watched

SEEDS = 300
Patch = Callable[[pytest.MonkeyPatch], None]


def test_no_seed_breaks_a_promise() -> None:
    outcomes = [simulate(seed) for seed in range(SEEDS)]
    assert {o.scenario.seed: o.violations for o in outcomes if o.violations} == {}
    assert sum(o.crashes for o in outcomes) > 1500
    assert {o.status for o in outcomes} == {"done", "suspect", "partial"}


@pytest.mark.parametrize("database", ["sqlite", "duckdb"])
def test_real_databases_keep_every_promise(database: Any) -> None:
    outcomes = [simulate(seed, database=database) for seed in range(30 if database == "sqlite" else 4)]
    assert {o.scenario.seed: o.violations for o in outcomes if o.violations} == {}
    assert sum(o.crashes for o in outcomes) > 20


def test_an_api_that_gives_less_than_it_declared_is_never_done() -> None:
    lying = [seed for seed in range(SEEDS, 3 * SEEDS) if draw(seed).lies]
    assert len(lying) > 10
    assert {simulate(seed).status for seed in lying} == {"suspect"}


def test_a_seed_is_one_interleaving() -> None:
    for seed in range(20):
        first, second = (simulate(seed, whole_log=True) for _ in range(2))
        assert len(first.log) > 20
        assert list(map(str, first.log)) == list(map(str, second.log)), f"seed {seed}"


def test_a_seed_is_the_same_in_another_process() -> None:
    """Neither addresses nor the hashes of texts, which every process draws anew, decide anything."""
    said = [command("--seed", "7", hashes=hashes).stdout.splitlines()[:-6] for hashes in ("1", "2")]
    assert len(said[0]) > 20
    assert said[0] == said[1]


def in_two_commits(patch: pytest.MonkeyPatch, split: Callable[[Group], tuple[Group, Group]]) -> None:
    commit = Watched.commit

    def twice(self: Watched, group: Group) -> Receipt:
        if not (group.advances and group.batches):
            return commit(self, group)
        first, second = split(group)
        commit(self, first)
        return commit(self, second)

    patch.setattr(Watched, "commit", twice)


def checkpoint_first(patch: pytest.MonkeyPatch) -> None:
    in_two_commits(patch, lambda g: (replace(g, batches=()), Group(g.run_id, g.scope, batches=g.batches)))


def rows_first(patch: pytest.MonkeyPatch) -> None:
    in_two_commits(patch, lambda g: (Group(g.run_id, g.scope, batches=g.batches), replace(g, batches=())))


def no_compare_and_set(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ModelSession, "_fence", lambda *_: None)


def last_page_of_a_group_lost(patch: pytest.MonkeyPatch) -> None:
    def add(self: _Pending, ready: Ready) -> None:
        self.items.extend(ready.items)
        if ready.mapped is not None and not self.mapped:
            self.mapped.append(ready.mapped)

    patch.setattr(_Pending, "add", add)


def cache_never_read(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(MemoryCache, "get", lambda *_: None)


def no_back_pressure(patch: pytest.MonkeyPatch) -> None:
    put = Channel.put

    async def at_once(self: Channel[Any], item: Any) -> None:
        self._bound = 1 << 40
        await put(self, item)

    patch.setattr(Channel, "put", at_once)


def total_not_compared(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Stream, "_check_total", lambda *_: None)


def window_not_cancelled(patch: pytest.MonkeyPatch) -> None:
    async def forget(window: Any) -> None:
        window.clear()

    patch.setattr(fetch, "_cancel", forget)


def ends_after_a_page(patch: pytest.MonkeyPatch) -> None:
    """What is kept and what is in the tables agree, and the checkpoint too: only the API knows better."""
    advance = Stream._advance

    def early(self: Stream, *given: Any) -> fetch.Fetched:
        page = advance(self, *given)
        return replace(page, at=replace(page.at, cursor_next=None, done=True))

    patch.setattr(Stream, "_advance", early)


BROKEN: list[tuple[Patch, str]] = [
    (ends_after_a_page, "the API has"),
    (checkpoint_first, "missing"),
    (rows_first, "too many"),
    (no_compare_and_set, "checkpoint"),
    (last_page_of_a_group_lost, "missing"),
    (cache_never_read, "reasons to ask again"),
    (no_back_pressure, "bytes on the way"),
    (window_not_cancelled, "behind"),
    (total_not_compared, "fewer records than it declared"),
]


@pytest.mark.parametrize(("break_it", "said"), BROKEN, ids=[patch.__name__ for patch, _ in BROKEN])
def test_a_broken_engine_is_found_out(break_it: Patch, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    break_it(monkeypatch)
    found = first_violation(range(SEEDS))
    assert found is not None
    assert said in found.violations[0]
    again: Outcome = simulate(found.scenario.seed)
    assert (again.violations, again.log) == (found.violations, found.log)
    monkeypatch.undo()
    assert not simulate(found.scenario.seed).violations


def test_the_command_ends_with_figures() -> None:
    ran = command("--seeds", "15")
    figures = dict(line.split() for line in ran.stdout.splitlines())
    assert list(figures)[:5] == ["seeds", "crashes", "faults", "violations", "seconds"]
    assert (ran.returncode, figures["seeds"], figures["violations"]) == (0, "15", "0")


def test_a_violation_is_shown_with_its_seed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    no_compare_and_set(monkeypatch)
    found = first_violation(range(SEEDS))
    assert found is not None
    seed = found.scenario.seed
    assert main(["--first", str(seed), "--seeds", "1"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert f"VIOLATION {found.violations[0]}" in lines
    assert f"seed {seed}: {found.status}" in lines
    assert "violations 1" in lines
    assert sum(line.lstrip()[:1].isdigit() for line in lines) > 10


def command(*arguments: str, hashes: str = "0") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "headrace.testing.simulate", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONHASHSEED": hashes},
    )
