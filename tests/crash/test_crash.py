"""The crash runner itself: it strikes, it sees what it must see, and it says so. `make crash` strikes in earnest."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

import pytest

from headrace.core.errors import UsageError
from headrace.sandbox import Options, Sandbox, run_in_thread
from headrace.testing.crash import __main__ as command
from headrace.testing.crash import report, schedule, yours
from headrace.testing.crash.cells import pipeline
from headrace.testing.crash.crawl import Attempt, Crawl, Violation
from headrace.testing.crash.inside import Full, Inside, Jumps, KilledAtFile, OwnFile, OwnState
from headrace.testing.crash.outcome import Figures, Outcome
from headrace.testing.crash.result import Result
from headrace.testing.crash.strikes import At, Forgetting, Kill, Overtaken, Statement, Stop, Strike
from headrace.testing.crash.survive import survive, undisturbed
from headrace.testing.crash.zygote import warm


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with run_in_thread(Options(seed=2)) as found:
        yield found


@pytest.fixture(scope="module", autouse=True)
def _warm() -> Iterator[None]:
    with warm():
        yield


@pytest.fixture(scope="module")
def calm(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> tuple[Crawl, Outcome]:
    """A crawl of ten pages, and what it leaves when nothing happens to it."""
    folder = tmp_path_factory.mktemp("calm")
    file = folder / "crash.yml"
    file.write_text(json.dumps(pipeline("sequential", sandbox.url, 100, 10)))
    crawl = Crawl(str(file), f"sqlite:///{folder}/calm.sqlite", folder / "calm")
    return crawl, undisturbed(crawl)


@pytest.fixture
def torn(calm: tuple[Crawl, Outcome], tmp_path: Path, sandbox: Sandbox) -> Crawl:
    sandbox.reset()
    return replace(calm[0], destination=f"sqlite:///{tmp_path}/torn.sqlite", state=tmp_path / "torn")


@dataclass(frozen=True, slots=True)
class Meddling(Strike):
    """A kill, after which somebody runs SQL on the database."""

    sql: str
    kind: ClassVar[str] = "meddling"

    def attempt(self, crawl: Crawl) -> Attempt:
        ended = At("commit.after_commit", 2).attempt(crawl)
        with closing(sqlite3.connect(urlsplit(crawl.destination).path[1:])) as db, db:
            db.execute(self.sql)
        return ended


@dataclass(frozen=True, slots=True)
class Careless(Strike):
    """Loses the answers that came, and says that it kept them."""

    kill: Kill
    kind: ClassVar[str] = "careless"

    def attempt(self, crawl: Crawl) -> Attempt:
        return Forgetting(self.kill).attempt(crawl)


STRIKES: list[Strike] = [
    At("commit.before_commit"), Stop("fetch.received", 2), Stop("commit.staged", 1, "SIGINT", twice=True), Statement(9),
    OwnFile(3), KilledAtFile(5), OwnState(4), Full(4096), Jumps((86400.0, -86400.0), At("fetch.cached", 2)),
    Overtaken("fetch.received", 2, At("commit.after_commit")),
]  # fmt: skip


@pytest.mark.parametrize("strike", STRIKES, ids=lambda strike: type(strike).__name__)
def test_each_kind_strikes_and_costs_nothing(
    strike: Strike, torn: Crawl, calm: tuple[Crawl, Outcome], sandbox: Sandbox
) -> None:
    strikes = deque([strike])
    found = survive(torn, strikes, expected=calm[1], asked=lambda: sandbox.stats()["by_request"])
    assert not strikes, "it never struck"
    assert found.strikes == 1
    assert found.clean, found


@pytest.mark.parametrize(
    ("sql", "lost", "doubled"),
    [
        ("DELETE FROM appended WHERE id = 3", 1, 0),
        ("INSERT INTO appended SELECT * FROM appended WHERE id = 3", 0, 1),
        ("UPDATE merged SET name = 'other' WHERE id = 3", 2, 2),
    ],
)
def test_a_row_that_is_lost_doubled_or_different_is_seen(
    sql: str, lost: int, doubled: int, torn: Crawl, calm: tuple[Crawl, Outcome]
) -> None:
    found = survive(torn, deque([Meddling(sql)]), expected=calm[1])
    assert (found.rows_lost, found.rows_doubled) == (lost, doubled)
    assert not found.clean


def test_a_page_that_is_asked_for_again_is_seen(torn: Crawl, calm: tuple[Crawl, Outcome], sandbox: Sandbox) -> None:
    """Answers that are lost without a word are more requests than were in flight."""
    careless = deque[Strike]([Careless(At("fetch.received", 6))])
    found = survive(torn, careless, expected=calm[1], asked=lambda: sandbox.stats()["by_request"], in_flight=0)
    assert found.over >= 1
    assert "Careless" in found.notes[0]


def test_a_committed_page_that_is_asked_for_again_is_seen(
    torn: Crawl, calm: tuple[Crawl, Outcome], sandbox: Sandbox
) -> None:
    """The API says that the first page was asked for once more after the kill."""
    looks = 0

    def asked() -> dict[str, int]:
        nonlocal looks
        looks += 1
        found = dict(sandbox.stats()["by_request"])
        if looks > 2:
            found[next(name for name in found if "cursor=" not in name)] += 1
        return found

    found = survive(torn, deque([At("commit.after_commit", 2)]), expected=calm[1], asked=asked, in_flight=9)
    assert found.refetched_committed == 1
    assert not found.clean


def test_an_ending_that_must_not_be_is_a_violation(torn: Crawl, calm: tuple[Crawl, Outcome]) -> None:
    broken = replace(torn, rewrite={"127.0.0.1": "http://127.0.0.1:1"})
    with pytest.raises(Violation, match="ended with 1"):
        survive(broken, deque(), expected=calm[1])


def test_a_stale_process_that_is_not_fenced_is_a_violation(torn: Crawl, monkeypatch: pytest.MonkeyPatch) -> None:
    """The strike itself looks at how the one that was overtaken ends."""
    monkeypatch.setattr(Overtaken, "_another", lambda self, crawl: True)
    with pytest.raises(Violation, match="nothing was said"):
        Overtaken("fetch.received", 2).attempt(torn)


def test_a_schedule_has_every_fault_point_and_as_many_kills_as_asked() -> None:
    import random

    from headrace.testing.crash.strikes import FAULT_POINTS

    found = schedule.kills(40, 1.0, random.Random(1))
    assert len(found) == 40
    assert {strike.point for strike in found if isinstance(strike, At)} >= set(FAULT_POINTS)
    ordered = schedule.ordered(found, random.Random(1))
    assert Counter(map(str, ordered)) == Counter(map(str, found))
    assert [s.point for s in list(ordered)[-2:] if isinstance(s, At)] == ["run.finished", "cache.segment_removed"]


MINE = """
pipeline_id: mine
source: {base_url: "https://api.example.com"}
inputs: {size: {type: int, default: 50}}
steps:
  - step: parts
    processor: generic.api_extractor
    config:
      url: /styles/cursor-more
      params: {records: 200, limit: "{size}"}
      pagination: {type: cursor, param: cursor, response_path: next, more_path: has_more}
      data_path: items
      tables: [{table: parts, key: [id], columns: {id: id, name: name}}]
"""


def test_a_pipeline_of_one_s_own(tmp_path: Path, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    """Its host is asked once for each page; everything else is answered from memory."""
    file = tmp_path / "mine.yml"
    file.write_text(MINE)
    sandbox.reset()
    words = ["--pipeline", str(file), "--destination", f"sqlite:///{tmp_path}/mine.sqlite", "--kills", "3"]
    words += ["--rewrite", f"api.example.com={sandbox.url}", "--param", "size=20", "--results", str(tmp_path / "out")]
    assert command.main(words) == 0
    printed = capsys.readouterr().out
    assert printed.splitlines()[-4:] == [
        "rows_lost 0", "rows_doubled 0", "refetched_committed 0", "max_extra_over_in_flight 0",
    ]  # fmt: skip
    assert sandbox.stats()["requests"] == 10
    assert list(tmp_path.glob("*.sqlite*")) == []
    kept = json.loads((tmp_path / "out/crash.json").read_text())
    assert kept["figures"]["kills"] >= 3
    assert {cell["mode"]: cell["rows"] for cell in kept["cells"]}["parts"] == 200
    assert "| sqlite" in (tmp_path / "out/crash.md").read_text()


def test_a_pipeline_whose_runs_differ_cannot_be_judged(tmp_path: Path, sandbox: Sandbox) -> None:
    file = tmp_path / "mine.yml"
    file.write_text(
        MINE.replace("records: 200", "records: 30").replace("id: id, ", "id: id, at: {value: '{fetched_at}'}, ")
    )
    wish = yours.Wish(str(file), (f"sqlite:///{tmp_path}/x.sqlite",), 1, rewrite={"api.example.com": sandbox.url})
    with pytest.raises(UsageError, match="left alone differ"):
        list(yours.run(wish))


@pytest.mark.parametrize("words", [["--rewrite", "nonsense"], ["--destination", "mongodb://x/y"], ["--param", "x"]])
def test_a_wrong_word_is_refused(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.yml"
    file.write_text(MINE)
    assert command.main(["--pipeline", str(file), *words]) == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_a_figure_that_is_not_0_fails_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = Result("sqlite", "sliced", Figures(kills=2, strikes=3, rows_lost=4, by_table={"merged_seen": (4, 0)}))
    bad.rows, bad.modes = {"merge": 10}, {"merged_seen": "merge"}
    monkeypatch.setattr(command.matrix, "run", lambda cells, jobs: iter([bad]))
    assert command.main(["--destination", "sqlite:////nowhere/x.db"]) == 1
    printed = capsys.readouterr()
    assert "rows_lost 4" in printed.out
    assert "BROKEN" in printed.err
    assert report.document([bad], "c", 1.0)["cells"][0]["rows_lost"] == 4


def test_what_is_done_inside_reaches_the_process(torn: Crawl) -> None:
    """A fault that nobody meets would prove nothing."""
    assert Inside(file=1).of(torn).module == "headrace.testing.crash.child"
    assert OwnFile(1).attempt(torn).struck
    assert not OwnFile(10_000).attempt(torn).struck
