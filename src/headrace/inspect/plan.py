"""What a run would do, from the objects that it executes: nothing is asked of the API, nothing is written."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headrace.core.clock import SystemClock
from headrace.core.contracts import Destination, Session
from headrace.core.errors import CannotOpen, HeadraceError
from headrace.core.tables import RunRecord, TableSpec
from headrace.core.templates import Lookup
from headrace.crawl.context import LastComplete
from headrace.crawl.extract import table_rules
from headrace.crawl.last import last_complete
from headrace.crawl.plan import CrawlPlan
from headrace.crawl.variables import with_mark, with_slice
from headrace.destinations import from_url
from headrace.destinations._session import SqlSession
from headrace.destinations._stage import StageDestination
from headrace.inspect.ddl import statements_of
from headrace.inspect.paging import style
from headrace.inspect.shown import Shown, show
from headrace.inspect.steps import masker_of
from headrace.mapping.mapper import Mapper
from headrace.pipeline.job import Job
from headrace.pipeline.sql import Lineage, lineage
from headrace.steps.base import Step

COUNTED_SLICES = 1_000_000


@dataclass(frozen=True, slots=True)
class TablePlan:
    """One table of a step. ``state`` is new, unchanged, or how it changes."""

    spec: TableSpec
    state: str
    removals: str


@dataclass(frozen=True, slots=True)
class StepPlan:
    """One extract step. ``requests`` is what is known of how many there will be."""

    crawl: CrawlPlan = field(repr=False)
    """What the run executes; the rest of this says what it means."""
    request: Shown | None
    unknown: str
    """Why there is no first request to show."""
    paging: str
    limits: str
    slices: str
    incremental: str
    requests: str
    archive: str
    tables: Sequence[TablePlan]
    statements: Sequence[str]
    last: LastComplete | None
    """What the last complete crawl left behind: the run begins from there."""

    @property
    def step(self) -> str:
        return self.crawl.step


@dataclass(frozen=True, slots=True)
class RunPlan:
    """What ``headrace run`` would do. ``database`` says what is known of the destination now."""

    job: Job = field(repr=False)
    """What ``headrace run`` is given, but for the id of the run."""
    destination: str
    database: str
    last: RunRecord | None
    """The last complete run of this scope."""
    steps: Sequence[StepPlan]
    others: Sequence[str]
    """Steps that neither ask an API nor make tables by SQL."""
    lineage: Sequence[Lineage] = ()
    """The SQL steps: what each makes, and from what."""

    @property
    def pipeline(self) -> str:
        return self.job.pipeline_id

    @property
    def scope(self) -> str:
        return self.job.scope

    @property
    def inputs(self) -> dict[str, Any]:
        return {name: value for name, value in self.job.params.items() if value is not None}


def make_run_plan(job: Job, destination: Destination) -> RunPlan:
    """The plan of ``job``, from the objects that its run executes. The destination is opened read-only when it exists; one that is
    busy or cannot be reached is said in ``database``, and the plan is made as for an empty one."""
    with ExitStack() as held:
        session: Session | None = None
        database = "exists"
        if _missing(destination):
            database = "will be made"
        else:
            try:
                session = held.enter_context(destination.open(read_only=True))
            except CannotOpen as error:
                database = f"cannot be looked at ({error.message}): planned as if it were empty"
        empty = session
        if session is None and not isinstance(destination, StageDestination):
            empty = held.enter_context(_scratch(destination).open())
        now = SystemClock().now()
        sql = lineage(job.steps)
        plans = {entry.step: job.crawl_plan(entry, now) for entry in job.steps}
        found = _Look(job, destination, session, empty, now)
        return RunPlan(
            job=job,
            destination=destination.url,
            database=database,
            last=_last_run(job, session) if session is not None else None,
            steps=[found.step(entry.config, plan) for entry in job.steps if (plan := plans[entry.step]) is not None],
            others=[name for name, plan in plans.items() if plan is None and name not in {made.step for made in sql}],
            lineage=sql,
        )


def _missing(destination: Destination) -> bool:
    path = getattr(destination, "path", None)
    return isinstance(path, str) and (path == ":memory:" or not Path(path).exists())


def _scratch(destination: Destination) -> Destination:
    """An empty database of the same dialect, where one can be had without a server."""
    kind = getattr(destination, "type", "duckdb")
    return from_url(f"{kind if kind in ('duckdb', 'sqlite') else 'duckdb'}:///:memory:")


def _last_run(job: Job, session: Session) -> RunRecord | None:
    runs = session.runs(pipeline=job.pipeline_id, limit=1000)
    return next((run for run in runs if (run.scope, run.org, run.status) == (job.scope, job.org, "done")), None)


class _Look:
    """Steps beside what the database has now."""

    def __init__(
        self, job: Job, destination: Destination, session: Session | None, database: Session | None, now: int
    ) -> None:
        self._job, self._session, self._database, self._now = job, session, database, now
        self._capabilities = destination.capabilities()
        steps = [entry.step for entry in job.steps]
        self._last: dict[str, LastComplete] = {}
        if session is not None:
            of = {"pipeline": job.pipeline_id, "org": job.org, "scope": job.scope}
            self._last = last_complete(session, steps, **of, before=now)

    def step(self, config: Step, plan: CrawlPlan) -> StepPlan:
        last, session = self._last.get(plan.step), self._session
        job_lookup = self._job.lookup(self._job.run_id, self._now, {})
        lookup = with_mark(plan.incremental, job_lookup, last)
        count, part, slices = _slices(plan, session)
        request, unknown = _first(plan, config, lookup if part is None else with_slice(lookup, part))
        limits, fold = self._capabilities.limits, self._capabilities.fold
        mapper = Mapper(plan.tables, known={}, limits=limits, lookup=job_lookup, fold=fold)
        specs = table_rules(plan, mapper)
        raw = [plan.raw_table] if plan.raw_table else []
        statements = statements_of(self._database, specs, raw) if isinstance(self._database, SqlSession) else []
        return StepPlan(
            crawl=plan,
            request=request,
            unknown=unknown,
            paging=style(plan),
            limits=_limits(plan),
            slices=slices,
            incremental=_incremental(plan, lookup, last),
            requests=_requests(plan, count, last),
            archive=plan.raw_table or "",
            tables=[TablePlan(spec, _state(session, spec), _removals(plan, spec)) for spec in specs],
            statements=[text for text in statements if "headrace_" not in text.partition(" AS SELECT ")[0]],
            last=last,
        )


def _incremental(plan: CrawlPlan, lookup: Lookup, last: LastComplete | None) -> str:
    if plan.incremental is None:
        return ""
    param, mark = plan.incremental.param, lookup("incremental.mark")
    if last is not None and last.mark is not None:
        return f"{param}: from {mark!r}, where the last complete crawl ended"
    start = f"from {mark!r}" if mark is not None else "from the beginning"
    return f"{param}: {start} (no complete crawl of this scope yet)"


def _slices(plan: CrawlPlan, session: Session | None) -> tuple[int | None, dict[str, Any] | None, str]:
    """(how many, the first one's values, in words)."""
    if plan.slices is None:
        return 1, None, ""
    try:
        count, first, names = 0, None, []
        for state in plan.slices.freeze(session):  # type: ignore[arg-type]  # only slices of rows ask it
            first = first if first is not None else dict(state.params)
            count += 1
            if count <= 3:
                names.append(state.name)
            if count >= COUNTED_SLICES:
                break
    except (HeadraceError, AttributeError) as error:
        why = str(error) if isinstance(error, HeadraceError) else "its rows are in a database that is not there yet"
        return None, None, f"known when the run begins: {why}"
    more = ", …" if count > len(names) else ""
    together = f"{plan.slices.concurrency} side by side"
    return count, first, f"{count:,} ({', '.join(names)}{more}), {together}"


def _first(plan: CrawlPlan, config: Step, lookup: Lookup) -> tuple[Shown | None, str]:
    try:
        request = plan.paginator.apply(plan.request(lookup), plan.paginator.start())
    except HeadraceError as error:
        return None, error.message
    written = {**getattr(config, "headers", {}), **getattr(config, "params", {})}
    return show(request, written, plan.auth, masker_of(config, lookup)), ""


def _limits(plan: CrawlPlan) -> str:
    rate = plan.rate_limit
    if rate.requests is not None:
        text = f"{rate.requests:,} requests per {rate.per_seconds:g} s"
    else:
        text = f"{rate.requests_per_second or 10:g} requests/s"
    text += f", {rate.concurrency} at once, {rate.max_retries} retries, at most {plan.max_pages:,} pages a stream"
    return text + (f", budget {rate.budget:,} requests" if rate.budget else "")


def _requests(plan: CrawlPlan, slices: int | None, last: LastComplete | None) -> str:
    if plan.incremental is None and last is not None and last.pages:
        return f"about {last.pages:,} (as many pages as the last complete run, {last.run_id}, took)"
    if getattr(plan.paginator, "type", "none") == "none" and slices is not None:
        return f"{slices:,}"
    least = f"at least {slices:,}; " if slices and slices > 1 else ""
    return f"{least}unknown before the first page (`headrace preview` asks for it)"


def _state(session: Session | None, spec: TableSpec) -> str:
    have = session.columns(spec.name) if session is not None else {}
    if not have:
        return "new"
    added = [name for name in spec.columns if name not in have and name not in spec.hidden]
    return f"gets {', '.join(added)}" if added else "exists"


def _removals(plan: CrawlPlan, spec: TableSpec) -> str:
    tracked = spec.write in ("sync", "scd2") or (spec.membership and spec.write == "merge")
    if not tracked:
        return ""
    if plan.incremental is not None:
        return "none: an incremental crawl sees only what is new"
    runs = "a complete run" if spec.removed_after == 1 else f"{spec.removed_after} complete runs"
    return f"rows of this scope that {runs} did not see; more than {spec.removed_share:.0%} at once are held back"
