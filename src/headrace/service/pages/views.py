"""Runs as the pages show them: plain data made from :class:`Request`, no HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headrace.core.templates import as_text
from headrace.service.pages import words
from headrace.state.progress.contract import ENDED, Request

STATUSES: Mapping[str, str] = {
    "queued": "Waiting", "running": "Running", "done": "Done", "partial": "Partial", "suspect": "Suspect",
    "failed": "Failed", "interrupted": "Interrupted", "cancelled": "Cancelled",
}  # fmt: skip
"""Status to the word that is shown."""

_NEXT: Mapping[str, str] = {
    "partial": "Resume it to go on from the last commit.",
    "suspect": "The crawl ended, but something says that data may be missing. If the API "
    "really has no more, accept the run as complete; otherwise mend the cause and run it again.",
    "failed": "What was fetched is kept. Mend the cause, then resume: it goes on from the last commit.",
    "interrupted": "What was fetched is kept. Resume it to go on from the last commit.",
    "cancelled": "What was fetched is kept. Resume it to go on from the last commit.",
}


@dataclass(frozen=True, slots=True)
class StepView:
    """One step of a run. ``percent`` is ``None`` where nobody knows how much there is."""

    name: str
    title: str
    status: str
    word: str
    percent: float | None
    pages: int
    rows: int
    requests: int
    retries: int
    slices: str
    seconds: float
    tables: Sequence[tuple[str, int]] = ()


@dataclass(frozen=True, slots=True)
class RunView:
    """A run. Times are microseconds since 1970 UTC, ``seconds`` its length so far or in all (``None`` before it
    begins)."""

    id: str
    pipeline: str
    destination: str
    status: str
    word: str
    step: str
    percent: float | None
    rows: int
    pages: int
    requests: int
    created_at: int
    started_at: int
    finished_at: int
    updated_at: int
    seconds: float | None
    active: bool
    stopping: bool
    error: str
    remedy: str
    inputs: Sequence[tuple[str, str]]
    options: Sequence[tuple[str, str]]
    owner: str
    steps: Sequence[StepView] = ()

    @property
    def can_resume(self) -> bool:
        return self.status in ("failed", "partial", "interrupted", "cancelled")

    @property
    def can_accept(self) -> bool:
        return self.status == "suspect"

    @property
    def said(self) -> str:
        """What a screen reader is told: it changes with the step and the status only, never with each page."""
        if self.status == "running":
            return f"{self.pipeline}: {self.step}" if self.step else f"{self.pipeline} is running"
        return f"{self.pipeline}: {self.word.lower()}"


@dataclass(frozen=True, slots=True)
class EventView:
    """One line of a run's log; ``level`` is ``info``, ``warn`` or ``bad``. ``at`` is in microseconds since 1970 UTC, 0
    where it is not known."""

    at: int
    text: str
    level: str = "info"


@dataclass(frozen=True, slots=True)
class CheckView:
    """The result of a quality check."""

    name: str
    table: str
    passed: bool
    severity: str
    result: str
    threshold: str
    message: str
    examples: Sequence[str] = ()


def run_view(request: Request, now: int) -> RunView:
    """``now`` is in microseconds since 1970 UTC."""
    active = request.status not in ENDED
    end = now if active else (request.finished_at or request.updated_at)
    word = STATUSES.get(request.status, request.status)
    stopping = active and request.cancel
    return RunView(
        id=request.request_id,
        pipeline=request.pipeline,
        destination=request.destination,
        status=request.status,
        word="Stopping" if stopping else word,
        step=request.step,
        percent=100.0 if request.status == "done" else request.progress,
        rows=request.rows,
        pages=request.pages,
        requests=request.requests,
        created_at=request.created_at,
        started_at=request.started_at,
        finished_at=request.finished_at,
        updated_at=request.updated_at,
        seconds=(end - request.started_at) / 1_000_000 if request.started_at and end >= request.started_at else None,
        active=active,
        stopping=stopping,
        error=request.error,
        # That of a suspect run names a command: here there is a button.
        remedy=(request.remedy if request.status != "suspect" else "") or _NEXT.get(request.status, ""),
        inputs=[(name, words.short(as_text(value))) for name, value in request.inputs.items()],
        options=[(name.replace("_", " "), words.short(as_text(value))) for name, value in request.options.items()],
        owner=request.owner,
        steps=steps(request),
    )


def steps(request: Request) -> list[StepView]:
    """The steps that ``detail`` counts; what it lacks is 0."""
    found = request.detail.get("steps")
    return (
        [_step(step, request.status) for step in found if isinstance(step, Mapping)] if isinstance(found, list) else []
    )


def _step(step: Mapping[str, Any], run_status: str) -> StepView:
    status = str(step.get("status") or "waiting")
    if status == "running" and run_status in ENDED:
        status = run_status if run_status != "done" else "done"
    rows = step.get("rows")
    tables = [(str(name), int(count)) for name, count in rows.items()] if isinstance(rows, Mapping) else []
    slices = int(step.get("slices") or 0)
    ended = int(step.get("slices_ended") or 0)
    return StepView(
        name=str(step.get("step") or ""),
        title=str(step.get("title") or step.get("step") or ""),
        status="queued" if status == "waiting" else status,
        word=STATUSES.get(status, "Waiting" if status == "waiting" else status),
        percent=_share(step, status, ended, slices),
        pages=int(step.get("pages") or 0),
        rows=sum(count for _, count in tables),
        requests=int(step.get("requests") or 0),
        retries=int(step.get("retries") or 0),
        slices=f"{ended:,} of {slices:,}" if slices else "",
        seconds=float(step.get("seconds") or 0.0),
        tables=tables,
    )


def _share(step: Mapping[str, Any], status: str, ended: int, slices: int) -> float | None:
    if status == "done":
        return 100.0
    if status == "waiting":
        return 0.0
    total = step.get("total")
    done, whole = (ended, slices) if slices else (int(step.get("records") or 0), int(total) if total else 0)
    return min(99.0, 100 * done / whole) if whole else None


def event_views(events: Sequence[tuple[int, Mapping[str, Any]]]) -> list[EventView]:
    """The events that say something to a person, newest first."""
    found = [EventView(_at(event), *said) for _, event in events if (said := _sentence(event)) is not None]
    return found[::-1]


def check_views(events: Sequence[tuple[int, Mapping[str, Any]]]) -> list[CheckView]:
    """The latest result of each quality check; failed ones first."""
    latest: dict[tuple[str, str], CheckView] = {}
    for _, event in events:
        if event.get("type") == "QualityChecked":
            made = CheckView(
                name=str(event.get("check", "")), table=str(event.get("table", "")), passed=bool(event.get("passed")),
                severity=str(event.get("severity", "")), result=_figure(event.get("result")),
                threshold=_figure(event.get("threshold")), message=str(event.get("message", "")),
                examples=[str(example) for example in event.get("examples") or ()],
            )  # fmt: skip
            latest[made.name, made.table] = made
    return sorted(latest.values(), key=lambda check: check.passed)


def suspicions(events: Sequence[tuple[int, Mapping[str, Any]]]) -> list[tuple[str, str]]:
    """(what was seen, what to do if it is right), each once."""
    found = [(str(e.get("seen", "")), str(e.get("remedy", ""))) for _, e in events if e.get("type") == "Suspicion"]
    return list(dict.fromkeys(found))


def _figure(value: Any) -> str:
    return words.number(value) if isinstance(value, int | float) else "–"


def _sentence(event: Mapping[str, Any]) -> tuple[str, str] | None:
    """(text, level) of an event; ``None`` for one that is only counted."""
    get = event.get
    match get("type"):
        case "RunStarted":
            return ("Resumed" if get("resumed") else "Started"), "info"
        case "StepStarted":
            slices = f", {words.counted(int(get('slices') or 0), 'slice')}" if get("slices") else ""
            return f"{get('title') or get('step')}{slices}", "info"
        case "StepFinished":
            rows = get("rows")
            total = sum(rows.values()) if isinstance(rows, Mapping) else 0
            word = STATUSES.get(str(get("status")), str(get("status"))).lower()
            return f"{get('step')}: {word}, {words.counted(total, 'row')}", "bad" if word == "failed" else "info"
        case "RunFinished":
            word = STATUSES.get(str(get("status")), str(get("status")))
            return f"Ended: {word.lower()}", "bad" if get("status") == "failed" else "info"
        case "RequestRetried":
            return (
                f"Attempt {get('attempt')} failed ({get('reason')}); asked again after {words.span(_seconds(get('wait')))}",
                "warn",
            )
        case "Waiting" if _seconds(get("seconds")) >= 1:
            return f"Waiting {words.span(_seconds(get('seconds')))}: {get('reason')}", "info"
        case "SchemaChanged" if get("before"):
            return f"Column {get('table')}.{get('column')} widened from {get('before')} to {get('after')}", "info"
        case "RecordsRejected":
            return (
                f"{words.counted(int(get('count') or 0), 'record')} kept in {get('table')}_rejected: {get('reason')}",
                "warn",
            )
        case "RemovalsFound":
            held = "; held back until you confirm or reject" if get("status") == "held" else ""
            return (
                f"{words.number(get('missing'))} of {words.number(get('known'))} rows of {get('table')} are gone{held}",
                "warn" if held else "info",
            )
        case "SliceFailed":
            return f"Slice {get('slice')} failed (attempt {get('attempt')}): {get('error')}", "warn"
        case "Suspicion":
            return f"Suspicious: {get('seen')}", "warn"
        case "QualityChecked" if not get("passed"):
            level = "bad" if get("severity") == "fail" else "warn"
            return f"Check {get('check')} of {get('table')} failed: {get('message') or get('result')}", level
        case "Warned":
            return str(get("message")), "warn"
        case _:
            return None


def _at(event: Mapping[str, Any]) -> int:
    at = event.get("at")
    return at if isinstance(at, int) else 0


def _seconds(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
