"""Runs that nobody has to ask for: schedules kept as documents, each due moment asked for exactly once."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import blake2b
from itertools import islice
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from headrace.core.clock import Clock, SystemClock, as_datetime
from headrace.core.cron import check_cron, check_timezone, due_after
from headrace.core.errors import HeadraceError, ScopeIsBusy, StateError
from headrace.state.progress.contract import Document, ProgressStore, Request

KIND = "schedule"
EVERY = 1.0
"""Seconds between looks at what is due."""
ON_TIME = timedelta(seconds=60)
"""A moment that was found due later than this was missed."""
_LOOK_BACK = timedelta(days=2)
"""Of a longer absence only this much is gone through for the latest moment; a minute apart there are 2,880."""

_log = logging.getLogger("headrace.service")


class ScheduleSpec(BaseModel):
    """What is to run, and when."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    pipeline: str = Field(max_length=200, examples=["tvmaze"])
    """Name of a pipeline."""
    inputs: dict[str, Any] = Field(default_factory=dict)
    """What the pipeline asks for, by name."""
    destination: str | None = Field(None, max_length=200)
    """Name of one of the service's databases; by default the default one."""
    cron: str = Field(max_length=200, examples=["0 6 * * MON-FRI"])
    """Minute, hour, day of month, month, day of week."""
    timezone: str = Field("UTC", max_length=64, examples=["Europe/Berlin"])
    """A zone of the time zone database: `0 6 * * *` stays at six when its clocks change."""
    jitter_seconds: int = Field(0, ge=0, le=86_400)
    """Each run begins up to this much later, so that many schedules do not begin at once."""
    missed: Literal["once", "skip"] = "once"
    """What becomes of moments at which no service was there: one run for all of them, or none."""
    enabled: bool = True
    """Whether it runs at all."""

    @field_validator("cron")
    @classmethod
    def _comes(cls, value: str) -> str:
        return check_cron(value)

    @field_validator("timezone")
    @classmethod
    def _is_one(cls, value: str) -> str:
        return check_timezone(value)


@dataclass(frozen=True, slots=True)
class Last:
    """What became of the latest moment: ``asked`` (and which request it made), ``skipped`` or ``failed``, and why."""

    outcome: Literal["asked", "skipped", "failed"]
    due: datetime
    at: datetime
    request_id: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule as it is kept."""

    org: str
    name: str
    spec: ScheduleSpec
    next_at: datetime
    """The next moment of the cron expression; the run begins ``jitter`` later."""
    last: Last | None = None
    from_file: bool = False
    """Made of a pipeline file's ``schedule``, and kept like it."""
    version: int = 0

    @property
    def key(self) -> str:
        return f"{self.org}/{self.name}"

    def due(self, moment: datetime) -> datetime:
        """When the run of a cron moment begins. All instances say the same."""
        span = self.spec.jitter_seconds
        if not span:
            return moment
        digest = blake2b(f"{self.key} {moment.timestamp():.0f}".encode(), digest_size=8).digest()
        return moment + timedelta(seconds=int.from_bytes(digest, "big") % (span + 1))

    def moments(self, after: datetime) -> Iterator[datetime]:
        return due_after(self.spec.cron, self.spec.timezone, after)

    def next_times(self, count: int) -> list[datetime]:
        """When the next runs begin; none while it is not enabled."""
        if not self.spec.enabled:
            return []
        return [self.due(self.next_at), *(self.due(at) for at in islice(self.moments(self.next_at), count - 1))]

    def latest_due(self, now: datetime) -> datetime | None:
        """The latest cron moment whose run should have begun by ``now``, ``None`` when there is no new one."""
        if self.due(self.next_at) > now:
            return None
        found = self.next_at
        for moment in self.moments(max(self.next_at, now - _LOOK_BACK)):
            if self.due(moment) > now:
                return found
            found = moment
        return found

    def body(self) -> dict[str, Any]:
        last = self.last and {
            "outcome": self.last.outcome, "due": self.last.due.isoformat(), "at": self.last.at.isoformat(),
            "request_id": self.last.request_id, "reason": self.last.reason,
        }  # fmt: skip
        spec = self.spec.model_dump(mode="json")
        return {"spec": spec, "next_at": self.next_at.isoformat(), "last": last, "from_file": self.from_file}

    @classmethod
    def of(cls, document: Document) -> Schedule:
        org, _, name = document.name.partition("/")
        body = document.body
        last = body["last"] and Last(
            **{**body["last"], **{each: datetime.fromisoformat(body["last"][each]) for each in ("due", "at")}}
        )
        spec = ScheduleSpec.model_validate(body["spec"])
        return cls(
            org, name, spec, datetime.fromisoformat(body["next_at"]), last, bool(body["from_file"]), document.version
        )


@dataclass(frozen=True)
class Schedules:
    """The schedules in ``store``. ``ask`` queues a run (``ask_for_run`` of one service); ``check`` raises UsageError
    for what it would refuse. Methods block."""

    store: ProgressStore
    ask: Callable[..., Request]
    check: Callable[[str, ScheduleSpec], object]
    clock: Clock = field(default_factory=SystemClock)

    def of_org(self, org: str) -> list[Schedule]:
        """By name."""
        return list(_readable(self.store.documents(KIND, prefix=f"{org}/")))

    def get(self, org: str, name: str) -> Schedule | None:
        found = self.store.document(KIND, f"{org}/{name}")
        return None if found is None else next(_readable([found]), None)

    def put(self, org: str, name: str, spec: ScheduleSpec, *, from_file: bool = False) -> Schedule:
        """Make or change a schedule; it is due for the first time after now. What is due already, and stays so, keeps
        its moment. Raises UsageError for what the pipeline does not take."""
        self.check(org, spec)
        while True:
            there = self.get(org, name)
            if there is not None and _same_times(there.spec, spec):
                changed = replace(there, spec=spec, from_file=from_file)
            else:
                now = self._now()
                first = next(due_after(spec.cron, spec.timezone, now))
                known = there or Schedule(org, name, spec, first)
                changed = replace(known, spec=spec, next_at=first, from_file=from_file)
            version = self._write(changed)
            if version is not None:
                return replace(changed, version=version)

    def delete(self, org: str, name: str) -> bool:
        return self.store.delete(KIND, f"{org}/{name}")

    def take_files(self, specs: Mapping[str, ScheduleSpec], org: str = "default") -> None:
        """Have a schedule for each pipeline file that has one, under the pipeline's name, and none for those that no
        longer do. One that was changed since through the API stays as it is."""
        for name, spec in specs.items():
            there = self.get(org, name)
            if there is None or (there.from_file and there.spec != spec):
                self.put(org, name, spec, from_file=True)
        for there in self.of_org(org):
            if there.from_file and there.name not in specs:
                self.delete(org, there.name)

    def fire(self) -> int:
        """Ask for what is due; how many runs. Several instances may do so at once: the moment is the idempotency key
        of its run, and who writes the outcome first moves the schedule on."""
        asked = 0
        for schedule in _readable(self.store.documents(KIND)):
            now = self._now()
            moment = schedule.latest_due(now) if schedule.spec.enabled else None
            if moment is not None:
                last = self._outcome(schedule, moment, now)
                following = next(schedule.moments(moment))
                if self._write(replace(schedule, next_at=following, last=last)) is not None:
                    asked += last.outcome == "asked"
                    _log.info("schedule %s: %s %s%s", schedule.key, last.outcome, last.request_id, last.reason)
        return asked

    def _outcome(self, schedule: Schedule, moment: datetime, now: datetime) -> Last:
        due, spec = schedule.due(moment), schedule.spec
        if spec.missed == "skip" and now - due > ON_TIME:
            return Last("skipped", due, now, reason="no service was there at the time")
        try:
            made = self.ask(
                org=schedule.org,
                pipeline=spec.pipeline,
                inputs=spec.inputs,
                destination=spec.destination,
                # A line feed: no key that comes in a header can be the same.
                key=f"schedule\n{schedule.key}\n{moment.timestamp():.0f}",
                asked_by=f"schedule {schedule.name}",
            )
        except ScopeIsBusy as error:
            return Last("skipped", due, now, error.request_id, "the run before is still going on")
        except StateError:
            raise
        except HeadraceError as error:
            return Last("failed", due, now, reason=error.message)
        except Exception as error:  # of one schedule; the others are due all the same
            _log.exception("schedule %s", schedule.key)
            return Last("failed", due, now, reason=f"internal error: {type(error).__name__}")
        return Last("asked", due, now, made.request_id)

    def _write(self, schedule: Schedule) -> int | None:
        return self.store.put(KIND, schedule.key, schedule.body(), expected=schedule.version)

    def _now(self) -> datetime:
        return as_datetime(self.clock.now())


class Scheduler:
    """Fires on a thread of its own while it is started."""

    def __init__(self, schedules: Schedules, *, every: float = EVERY) -> None:
        self._schedules, self._every = schedules, every
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._go, name="headrace-schedules", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """No run is asked for any more when it returns."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()

    def _go(self) -> None:
        while not self._over.wait(self._every):
            with suppress(StateError):  # what is due meanwhile is due when the store is back
                try:
                    self._schedules.fire()
                except StateError:
                    raise
                except Exception:
                    _log.exception("schedules")


def _readable(documents: Iterable[Document]) -> Iterator[Schedule]:
    for document in documents:
        try:
            yield Schedule.of(document)
        except (ValueError, KeyError, TypeError) as error:  # a newer version wrote it, or its zone is gone
            _log.warning("schedule %s cannot be read: %s", document.name, error)


def _same_times(before: ScheduleSpec, after: ScheduleSpec) -> bool:
    return before.enabled and (before.cron, before.timezone) == (after.cron, after.timezone)
