"""Schedules: due when they should be, asked for once, whatever happens to the instances in between."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from headrace.core.errors import InputError, StateError
from headrace.service.app import create_app
from headrace.service.config import ServiceConfig
from headrace.service.schedules import Schedule, Schedules, ScheduleSpec
from headrace.state.progress.contract import ProgressStore, Request
from headrace.state.progress.sqlite import SqliteProgress
from headrace.testing.progress_suite import together
from headrace.testing.state_child import FixedClock

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


@dataclass
class Bench:
    """Schedules on a clock that a test sets, and what they asked for."""

    store: ProgressStore
    clock: FixedClock = field(default_factory=FixedClock)
    asked: list[Request] = field(default_factory=list)
    refuse: Exception | None = None

    def __post_init__(self) -> None:
        self.at("12:00")

    def at(self, text: str, day: int = 1) -> None:
        moment = datetime.fromisoformat(f"2026-07-{day:02}T{text}+00:00")
        self.clock.at = int(moment.timestamp() * 1_000_000)

    @property
    def schedules(self) -> Schedules:
        return Schedules(self.store, self.ask, lambda org, spec: None, self.clock)

    def ask(self, *, key: str, **asked: Any) -> Request:
        if self.refuse is not None:
            raise self.refuse
        number = len(self.store.find(limit=10_000))
        options = {"asked_by": asked["asked_by"]}
        made = Request(
            f"{key}/{time.monotonic_ns()}/{number}", asked["pipeline"], asked["org"], scope=asked["pipeline"], inputs=asked["inputs"],
            options=options, created_at=self.clock.now(),
        )  # fmt: skip
        return self.store.create(made, key=key)

    def put(self, cron: str = "0 * * * *", **more: Any) -> Schedule:
        return self.schedules.put("acme", "s", ScheduleSpec(pipeline="p", cron=cron, **more))

    def fire(self) -> int:
        """Fires, and ends what it asked for; how many runs."""
        count = self.schedules.fire()
        self.end()
        return count

    def end(self) -> None:
        while (request := self.store.claim("w", lease_seconds=3600)) is not None:
            self.store.update(request.request_id, "w", status="done")

    def there(self) -> Schedule:
        found = self.schedules.get("acme", "s")
        assert found is not None
        return found

    @property
    def last(self) -> tuple[str, str]:
        last = self.there().last
        assert last is not None
        return last.outcome, f"{last.due:%d %H:%M}"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with closing(SqliteProgress(tmp_path / "service.db")) as store:
        yield Bench(store)


def test_it_is_asked_for_when_it_is_due_and_not_before(bench: Bench) -> None:
    made = bench.put(inputs={"country": "us"})
    assert f"{made.next_times(3)[0]:%d %H:%M}" == "01 13:00"
    for moment in ("12:00", "12:59:59"):
        bench.at(moment)
        assert bench.fire() == 0
    bench.at("13:00:01")
    assert bench.fire() == 1
    assert bench.fire() == 0
    assert bench.last == ("asked", "01 13:00")
    (request,) = bench.store.find()
    assert (request.pipeline, request.org, request.inputs) == ("p", "acme", {"country": "us"})
    assert request.options == {"asked_by": "schedule s"}
    assert bench.there().last.request_id == request.request_id  # type: ignore[union-attr]  # bench.last asserts it
    bench.at("14:00")
    assert bench.fire() == 1
    assert len(bench.store.find()) == 2


@pytest.mark.parametrize(("missed", "runs"), [("once", 1), ("skip", 0)])
def test_what_was_missed(bench: Bench, missed: str, runs: int) -> None:
    bench.put(missed=missed)
    bench.at("17:30")
    assert bench.fire() == runs
    assert bench.last == ("asked" if runs else "skipped", "01 17:00")
    assert bench.fire() == 0
    bench.at("18:00:30")
    assert bench.fire() == 1, "the next one is on time"


def test_what_is_on_time_is_not_missed_though_others_were(bench: Bench) -> None:
    bench.put(missed="skip")
    bench.at("17:00:20")
    assert bench.fire() == 1
    assert bench.last == ("asked", "01 17:00")


@pytest.mark.parametrize(
    ("cron", "latest"), [("* * * * *", "21 12:30"), ("0 6 3 * *", "03 06:00"), ("0 6 * * *", "21 06:00")]
)
def test_a_long_absence_is_one_run(bench: Bench, cron: str, latest: str) -> None:
    bench.put(cron)
    bench.at("12:30", day=21)
    assert bench.fire() == 1
    assert bench.last == ("asked", latest)
    assert bench.fire() == 0
    assert bench.there().next_at > datetime.fromtimestamp(bench.clock.now() / 1_000_000, UTC)


def test_one_that_is_not_enabled_is_not_due_then_or_later(bench: Bench) -> None:
    bench.put(enabled=False)
    bench.at("15:30")
    assert bench.there().next_times(3) == []
    assert bench.fire() == 0
    bench.put(enabled=True)
    assert bench.fire() == 0, "what passed meanwhile was not wanted"
    bench.at("16:00")
    assert bench.fire() == 1


def test_a_change_that_leaves_the_times_alone_loses_no_moment(bench: Bench) -> None:
    bench.put()
    bench.at("13:10")
    bench.put(inputs={"a": 1}, jitter_seconds=0)
    assert bench.fire() == 1
    bench.at("14:10")
    bench.put("30 * * * *")
    assert bench.fire() == 0
    assert f"{bench.there().next_at:%H:%M}" == "14:30"


def test_while_the_run_before_goes_on_it_is_skipped_and_says_so(bench: Bench) -> None:
    bench.put()
    bench.at("13:00")
    assert bench.schedules.fire() == 1
    before = bench.store.find()[0].request_id
    bench.at("14:00")
    assert bench.schedules.fire() == 0
    last = bench.there().last
    assert last is not None
    assert (last.outcome, last.request_id, last.reason) == ("skipped", before, "the run before is still going on")
    bench.end()
    bench.at("15:00")
    assert bench.fire() == 1


def test_what_is_refused_says_so_and_is_tried_at_the_next_moment(bench: Bench) -> None:
    bench.put()
    bench.refuse = InputError("no pipeline 'p'")
    bench.at("13:00")
    assert bench.fire() == 0
    assert bench.last == ("failed", "01 13:00")
    bench.refuse = None
    assert bench.fire() == 0
    bench.at("14:00")
    assert bench.fire() == 1


def test_a_defect_of_one_does_not_keep_the_others_from_their_times(bench: Bench) -> None:
    bench.put()
    bench.schedules.put("zeta", "later", ScheduleSpec(pipeline="q", cron="0 * * * *"))
    ask = bench.ask

    def broken(**asked: Any) -> Request:
        if asked["org"] == "acme":
            raise PermissionError("the file of p")
        return ask(**asked)

    bench.at("13:00")
    assert replace(bench.schedules, ask=broken).fire() == 1
    assert [request.pipeline for request in bench.store.find()] == ["q"]
    last = bench.there().last
    assert last is not None
    assert (last.outcome, last.reason) == ("failed", "internal error: PermissionError")
    bench.at("14:00")
    bench.end()
    assert bench.fire() == 2


def test_while_the_store_is_away_nothing_is_lost(bench: Bench) -> None:
    bench.put()
    bench.at("13:00")
    bench.refuse = StateError("away")
    with pytest.raises(StateError):
        bench.fire()
    bench.refuse = None
    assert bench.fire() == 1


def test_jitter_is_the_same_for_everybody_and_spreads(bench: Bench) -> None:
    bench.put(jitter_seconds=600)
    times = bench.there().next_times(50)
    assert times == bench.there().next_times(50)
    spread = {(at.minute, at.second) for at in times}
    assert len(spread) > 40
    assert all(at.minute < 10 or (at.minute, at.second) == (10, 0) for at in times)
    first = times[0]
    bench.clock.at = int(first.timestamp() * 1_000_000) - 1
    assert bench.fire() == 0
    bench.clock.at += 1
    assert bench.fire() == 1
    bench.put(jitter_seconds=0)
    assert all((at.minute, at.second) == (0, 0) for at in bench.there().next_times(50))


def test_a_time_zone_keeps_wall_time(bench: Bench) -> None:
    bench.put("0 6 * * *", timezone="America/New_York")
    winter = replace(bench.there(), next_at=datetime(2026, 10, 30, 10, tzinfo=UTC)).next_times(5)
    assert [f"{at:%d %H:%M}" for at in winter] == ["30 10:00", "31 10:00", "01 11:00", "02 11:00", "03 11:00"]
    assert all(before < after for before, after in pairwise(winter))


def test_of_many_instances_one_asks(bench: Bench) -> None:
    for number in range(5):
        bench.schedules.put("acme", f"s{number}", ScheduleSpec(pipeline=f"p{number}", cron="0 * * * *"))
    for hour in range(13, 18):
        bench.at(f"{hour}:00")
        assert sum(together(8, lambda n: bench.schedules.fire())) == 5
        assert len(bench.store.find(limit=1000)) == 5 * (hour - 12)
        bench.end()


def test_an_instance_that_dies_between_asking_and_noting_it_asks_for_nothing_twice(bench: Bench) -> None:
    bench.put()
    bench.at("13:00")
    before = bench.store.document("schedule", "acme/s")
    assert before is not None
    assert bench.fire() == 1
    bench.store.put("schedule", "acme/s", before.body)  # as if the note had never been written
    assert bench.fire() == 1
    assert len(bench.store.find()) == 1
    assert bench.last == ("asked", "01 13:00")


def test_files_and_what_was_changed_since(bench: Bench) -> None:
    schedules = bench.schedules
    files = {name: ScheduleSpec(pipeline=name, cron="0 6 * * *") for name in ("a", "b", "c")}
    schedules.take_files(files)
    schedules.put("default", "own", ScheduleSpec(pipeline="x", cron="0 7 * * *"))
    schedules.put("default", "b", ScheduleSpec(pipeline="b", cron="0 8 * * *"))
    changed = {"a": ScheduleSpec(pipeline="a", cron="0 9 * * *"), "b": files["b"]}
    schedules.take_files(changed)
    found = {each.name: (each.spec.cron, each.from_file) for each in schedules.of_org("default")}
    assert found == {"a": ("0 9 * * *", True), "b": ("0 8 * * *", False), "own": ("0 7 * * *", False)}
    version = schedules.get("default", "a")
    schedules.take_files(changed)
    assert schedules.get("default", "a") == version, "what is the same is not written"


def test_one_that_cannot_be_read_does_not_stop_the_others(bench: Bench) -> None:
    bench.put()
    bench.store.put("schedule", "acme/a", {"spec": {"from": "the future"}})
    bench.at("13:00")
    assert bench.fire() == 1
    assert [each.name for each in bench.schedules.of_org("acme")] == ["s"]


def test_over_http(running: Any) -> None:
    client: httpx.Client = running.client
    asked = {"pipeline": "lists", "cron": "0 6 * * *", "timezone": "Europe/Berlin", "jitter_seconds": 5}
    made = client.put("/schedules/nightly", json=asked)
    assert made.status_code == 201, made.text
    shown = made.json()
    assert (shown["name"], shown["missed"], shown["enabled"], shown["last"]) == ("nightly", "once", True, None)
    times = [datetime.fromisoformat(text) for text in shown["next_times"]]
    assert len(times) == 5
    assert datetime.now(UTC) < times[0]
    assert client.get("/schedules/nightly").json() == shown
    assert client.put("/schedules/nightly", json=asked | {"enabled": False}).status_code == 200
    assert [each["next_times"] for each in client.get("/schedules").json()["schedules"]] == [[]]
    request_id = client.post("/schedules/nightly/run").json()["request_id"]
    assert running.wait(request_id)["status"] == "done"
    assert client.delete("/schedules/nightly").status_code == 204
    assert client.delete("/schedules/nightly").status_code == 404
    assert client.get("/schedules/nightly").status_code == 404
    assert client.post("/schedules/nightly/run").status_code == 404


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"cron": "61 * * * *"}, "'61' is no minute"),
        ({"cron": "0 0 31 2 *"}, "never comes"),
        ({"timezone": "Mars/Base"}, "no time zone 'Mars/Base'"),
        ({"missed": "twice"}, "missed"),
        ({"jitter_seconds": -1}, "jitter_seconds"),
        ({"more": 1}, "more"),
        ({"pipeline": "nothing"}, "no pipeline 'nothing'"),
        ({"destination": "nowhere"}, "no destination 'nowhere'"),
        ({"inputs": {"unknown": 1}}, "unknown"),
    ],
)
def test_nonsense_is_refused(running: Any, change: dict[str, Any], words: str) -> None:
    answer = running.client.put("/schedules/s", json={"pipeline": "lists", "cron": "0 6 * * *"} | change)
    assert answer.status_code == 422, answer.text
    assert words in answer.json()["detail"]
    assert running.client.get("/schedules").json() == {"schedules": []}


def test_what_is_due_runs_by_itself(running: Any) -> None:
    service = running.service
    assert running.client.put("/schedules/s", json={"pipeline": "lists", "cron": "0 6 * * *"}).status_code == 201
    found = service.store.document("schedule", "default/s")
    past = {**found.body, "next_at": "2026-01-01T06:00:00+00:00"}
    assert service.store.put("schedule", "default/s", past, expected=found.version)
    end = time.monotonic() + 60
    while (last := running.client.get("/schedules/s").json()["last"]) is None:
        assert time.monotonic() < end
    assert last["outcome"] == "asked"
    assert running.wait(last["request_id"])["options"] == {"asked_by": "schedule s"}


def test_the_schedule_of_a_file(config: ServiceConfig, api: Any, pipeline_file: Any, serving: Any) -> None:
    assert config.pipelines is not None
    pipeline_file(config.pipelines, api.url, name="hourly", schedule={"cron": "0 * * * *", "timezone": "Europe/Berlin"})
    with serving(config) as running:
        assert running.client.get("/schedules").json() == {"schedules": []}
    with serving(config.model_copy(update={"file_schedules": True})) as running:
        (found,) = running.client.get("/schedules").json()["schedules"]
    assert (found["name"], found["pipeline"], found["cron"], found["timezone"]) == (
        "hourly",
        "hourly",
        "0 * * * *",
        "Europe/Berlin",
    )
    assert found["from_file"]


def test_a_file_whose_schedule_cannot_run_is_an_error_at_the_start(
    config: ServiceConfig, api: Any, pipeline_file: Any
) -> None:
    assert config.pipelines is not None
    needs = {"country": {"type": "string", "required": True}}
    pipeline_file(config.pipelines, api.url, name="hourly", schedule={"cron": "0 * * * *"}, inputs=needs)
    with pytest.raises(InputError, match="country"):
        create_app(config.model_copy(update={"file_schedules": True}))
