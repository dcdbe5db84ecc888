"""What a run would do, from the objects that it executes: nothing is asked of the API, nothing is written."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace.core.clock import SystemClock
from headrace.core.contracts import Destination, Session
from headrace.core.errors import CannotOpen, HeadraceError
from headrace.core.tables import RunRecord, StreamKey, TableSpec
from headrace.core.templates import Lookup
from headrace.crawl import marks
from headrace.crawl.extract import FINISHED, table_rules
from headrace.crawl.plan import CrawlPlan
from headrace.destinations import from_url
from headrace.inspect.ddl import statements_of
from headrace.inspect.paging import style
from headrace.inspect.shown import Shown, show
from headrace.inspect.steps import NOT_YET, extract_steps, masker_of, stream_lookup
from headrace.mapping.mapper import Mapper
from headrace.pipeline.load import Loaded
from headrace.steps.generic._plan import make_plan
from headrace.steps.generic.api_extractor import ApiExtractor

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

    step: str
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


@dataclass(frozen=True, slots=True)
class RunPlan:
    """What ``headrace run`` would do. ``database`` says what is known of the destination now."""

    pipeline: str
    destination: str
    database: str
    scope: str
    inputs: dict[str, Any]
    last: RunRecord | None
    """The last complete run of this scope."""
    steps: Sequence[StepPlan]
    others: Sequence[str]
    """Steps that ask no API."""


def make_run_plan(loaded: Loaded, destination: Destination) -> RunPlan:
    """The plan of a new run of ``loaded``. The destination is opened read-only when it exists; one that is
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
        empty = session or held.enter_context(_scratch(destination).open())
        last = _last_complete(loaded, session) if session is not None else None
        steps = extract_steps(loaded.pipeline)
        return RunPlan(
            pipeline=loaded.pipeline.pipeline_id,
            destination=destination.url,
            database=database,
            scope=loaded.scope,
            inputs={name: value for name, value in loaded.params.items() if value is not None},
            last=last,
            steps=[_step(loaded, name, config, destination, session, empty, last) for name, config in steps.items()],
            others=[entry.step for entry in loaded.pipeline.steps if entry.step not in steps],
        )


def _missing(destination: Destination) -> bool:
    path = getattr(destination, "path", None)
    return isinstance(path, str) and (path == ":memory:" or not Path(path).exists())


def _scratch(destination: Destination) -> Destination:
    """An empty database of the same dialect, where one can be had without a server."""
    kind = getattr(destination, "type", "duckdb")
    return from_url(f"{kind if kind in ('duckdb', 'sqlite') else 'duckdb'}:///:memory:")


def _last_complete(loaded: Loaded, session: Session) -> RunRecord | None:
    runs = session.runs(pipeline=loaded.pipeline.pipeline_id, limit=1000)
    return next((run for run in runs if run.scope == loaded.scope and run.status == "done"), None)


def _step(
    loaded: Loaded,
    name: str,
    config: ApiExtractor,
    destination: Destination,
    session: Session | None,
    database: Session,
    last: RunRecord | None,
) -> StepPlan:
    lookup = loaded.variables.lookup(run_id=NOT_YET, now=SystemClock().now())
    plan = make_plan(config, name, name, lookup)
    finish = session.checkpoint(StreamKey(last.run_id, name, FINISHED)) if session is not None and last else None
    mark, incremental = _mark(plan, finish.memo.get("mark") if finish else None)
    count, part, slices = _slices(plan, session)
    request, unknown = _first(plan, config, stream_lookup(lookup, mark=mark, part=part))
    capabilities = destination.capabilities()
    mapper = Mapper(plan.tables, known={}, limits=capabilities.limits, lookup=lookup, fold=capabilities.fold)
    specs = table_rules(plan, mapper)
    raw = [plan.raw_table] if plan.raw_table else []
    statements = statements_of(database, specs, raw)  # type: ignore[arg-type]  # every session so far is an SqlSession
    return StepPlan(
        step=name,
        request=request,
        unknown=unknown,
        paging=style(plan),
        limits=_limits(plan),
        slices=slices,
        incremental=incremental,
        requests=_requests(plan, count, last, finish.page_number if finish else None),
        archive=plan.raw_table or "",
        tables=[TablePlan(spec, _state(session, spec), _removals(plan, spec)) for spec in specs],
        statements=[text for text in statements if "headrace_" not in text],
    )


def _mark(plan: CrawlPlan, kept: Any) -> tuple[Any, str]:
    rule = plan.incremental
    if rule is None:
        return None, ""
    if kept is None:
        start = f"from {rule.start!r}" if rule.start is not None else "from the beginning"
        return rule.start, f"{rule.param}: {start} (no complete run of this scope yet)"
    mark = marks.look_back(kept, rule.lookback)
    return mark, f"{rule.param}: from {mark!r}, where the last complete run ended"


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


def _first(plan: CrawlPlan, config: ApiExtractor, lookup: Lookup) -> tuple[Shown | None, str]:
    try:
        request = plan.paginator.apply(plan.request(lookup), plan.paginator.start())
    except HeadraceError as error:
        return None, error.message
    return show(request, {**config.headers, **config.params}, plan.auth, masker_of(config, lookup)), ""


def _limits(plan: CrawlPlan) -> str:
    rate = plan.rate_limit
    if rate.requests is not None:
        text = f"{rate.requests:,} requests per {rate.per_seconds:g} s"
    else:
        text = f"{rate.requests_per_second or 10:g} requests/s"
    text += f", {rate.concurrency} at once, {rate.max_retries} retries, at most {plan.max_pages:,} pages a stream"
    return text + (f", budget {rate.budget:,} requests" if rate.budget else "")


def _requests(plan: CrawlPlan, slices: int | None, last: RunRecord | None, pages: int | None) -> str:
    if plan.incremental is None and last is not None and pages:
        return f"about {pages:,} (as many pages as the last complete run, {last.run_id}, took)"
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
