"""The Python API: run, resume."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headrace.core.clock import Clock, SystemClock, new_run_id
from headrace.core.contracts import Destination
from headrace.core.errors import InputError, Interrupted, PipelineFileError, UsageError
from headrace.core.events import EventSink, Warned
from headrace.core.organisations import asking, check_owner
from headrace.core.suggest import did_you_mean
from headrace.core.tables import RunRecord
from headrace.core.trust import EVERYTHING, Trust
from headrace.destinations import from_url
from headrace.pipeline.check import check_draft, is_warning
from headrace.pipeline.job import Job, choose_steps, lookup_of, make_job
from headrace.pipeline.load import Draft, draft, from_resolved
from headrace.pipeline.reach import check_reach, check_stored
from headrace.pipeline.secrets import MASK
from headrace.pipeline.variables import Variables
from headrace.runner.engine import execute
from headrace.runner.holding import Surroundings
from headrace.runner.records import check_organisation
from headrace.runner.result import RunResult
from headrace.runner.secrets import RunSecrets
from headrace.runner.sinks import Fanout
from headrace.runner.stopping import Stop, stopping
from headrace.runner.window import Window, windowed
from headrace.secrets.vault import Vault
from headrace.state.store import StateStore


@dataclass(frozen=True, slots=True)
class Settings:
    """Where a run keeps its state, finds its secrets, and who listens; the same for `run` and `resume`."""

    state: Path | None = None
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets_file: Path | None = None
    prompt: Callable[[str], str | None] | None = None
    sinks: Sequence[EventSink] = ()
    offline: bool = False
    rewrite: Mapping[str, str] = field(default_factory=dict)
    max_pages: int | None = None
    clock: Clock = field(default_factory=SystemClock)
    accept: bool = False
    stop: Stop = field(default_factory=Stop)
    """Ends the run from another thread."""
    trust: Trust = EVERYTHING


def run(
    pipeline: str | Path,
    *,
    params: Mapping[str, Any] | None = None,
    destination: str | None = None,
    run_id: str | None = None,
    max_pages: int | None = None,
    steps: Sequence[str] = (),
    from_step: str | None = None,
    org: str | None = None,
    env: str | None = None,
    offline: bool = False,
    rewrite: Mapping[str, str] | None = None,
    restart: bool = False,
    adopt: bool = False,
    scope: str | None = None,
    secrets: Mapping[str, str] | None = None,
    secrets_file: Path | None = None,
    prompt: Callable[[str], str | None] | None = None,
    sinks: Sequence[EventSink] = (),
    state: Path | None = None,
    clock: Clock | None = None,
    window: Window | None = None,
) -> RunResult:
    """Run a built-in pipeline or a YAML file until it is done, paused or stopped.

    A ``run_id`` that exists already is resumed from its last commit. ``max_pages`` pauses each stream
    after that many pages of this call (status ``partial``). ``rewrite`` sends requests for a host to another
    base URL. ``offline`` uses only answers that an earlier call kept. ``restart`` begins
    a new run under a new id, whatever ``run_id`` stands at; ``adopt`` replays
    what is stored through a changed mapping and goes on with that. ``secrets``
    are looked up before anything else (``{"hubspot": "..."}``). ``window`` asks for a span of time again, as
    :func:`headrace.backfill` does. Ctrl-C commits what is fetched and returns
    a result with status ``interrupted``.

    Raises UsageError (file, inputs, secrets), SourceError (the API) or DestinationError; what was
    committed before is safe, and calling again with the same ``run_id`` goes on from there.
    """
    settings = Settings(
        state, secrets or {}, secrets_file, prompt, sinks, offline, rewrite or {}, max_pages, clock or SystemClock()
    )
    prepared = prepare(
        pipeline, params=params, destination=destination, org=org, env=env, scope=scope, steps=steps,
        from_step=from_step, adopt=adopt, window=window, run_id=run_id if run_id and not restart else new_run_id(settings.clock),
    )  # fmt: skip
    with StateStore.open(state) as store:
        if adopt:
            _adopt(prepared.job, pipeline, prepared.url, prepared.destination)
        return drive(prepared.job, prepared.destination, store, settings)


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a run executes, and a plan shows: nothing has been opened or asked yet."""

    job: Job
    destination: Destination
    url: str = field(repr=False)
    """The destination as it was written."""
    trust: Trust = EVERYTHING
    """What it was checked against; :class:`Settings` need the same."""


def prepare(
    pipeline: str | Path | Draft,
    *,
    run_id: str,
    params: Mapping[str, Any] | None = None,
    destination: str | None = None,
    steps: Sequence[str] = (),
    from_step: str | None = None,
    org: str | None = None,
    env: str | None = None,
    scope: str | None = None,
    adopt: bool = False,
    window: Window | None = None,
    trust: Trust = EVERYTHING,
) -> Prepared:
    """The job of a run of ``pipeline``, checked against what the destination can do and what ``trust`` lets it reach
    (give :func:`drive` the same). Raises UsageError."""
    checked = pipeline if isinstance(pipeline, Draft) else draft(pipeline, trust)
    check_reach(checked.shaped, checked.file, trust)
    loaded = checked.bind(params=params, env=env, org=org, destination=destination, scope=scope, trust=trust)
    if window is not None:
        loaded, steps = windowed(loaded, window, steps)
    target = from_url(loaded.destination)
    problems = check_draft(checked, target.capabilities())
    if wrong := [line for line in problems if not is_warning(line)]:
        raise PipelineFileError(wrong)
    job = make_job(loaded, run_id, steps=steps, from_step=from_step, adopt=adopt)
    return Prepared(job, target, loaded.destination, trust)


def resume(
    run_id: str,
    *,
    destination: str | None = None,
    org: str | None = None,
    max_pages: int | None = None,
    offline: bool = False,
    rewrite: Mapping[str, str] | None = None,
    secrets: Mapping[str, str] | None = None,
    secrets_file: Path | None = None,
    prompt: Callable[[str], str | None] | None = None,
    sinks: Sequence[EventSink] = (),
    state: Path | None = None,
    clock: Clock | None = None,
) -> RunResult:
    """Go on with a run from its last commit, with the pipeline and inputs that it began with.

    The state folder tells where it went; give ``destination`` when that is gone or its URL needs a password. For an
    organisation (``org``, else ``HEADRACE_ORG``) other organisations' runs are unknown.
    Raises as :func:`run` does.
    """
    settings = Settings(
        state, secrets or {}, secrets_file, prompt, sinks, offline, rewrite or {}, max_pages, clock or SystemClock()
    )
    asked = asking(org)
    with StateStore.open(state) as store:
        target = find_destination(run_id, destination, store, asked)
        return drive(stored_job(stored_run(run_id, target, asked)), target, store, settings)


def _adopt(job: Job, pipeline: str | Path, url: str, target: Destination) -> None:
    """Bring what an earlier call of this run stored under the mapping that the file has now."""
    from headrace.runner.replay import replay

    with target.open() as session:
        stored = session.run(job.run_id)
    if stored is not None:
        check_organisation(job, stored.org)
    if stored is not None and stored.pages and stored.mapping_hash != job.mapping_hash:
        replay(job.pipeline_id, pipeline_file=pipeline, destination=url)


def find_destination(run_id: str, url: str | None, store: StateStore, asked: str | None = None) -> Destination:
    """Where ``run_id`` went: ``url`` if given, else what the state folder or the environment says. ``asked``: for this
    organisation. Raises InputError for a run that is another's."""
    entry = store.run(run_id)
    if entry is not None:
        check_owner(run_id, entry.org, asked)
    known = url or (entry.destination if entry is not None else None)
    if known is None:
        known = os.environ.get("HEADRACE_DESTINATION") or os.environ.get("DATABASE_URL")
    if known is None:
        latest = [e.run_id for e in store.runs(limit=50) if asked in (None, e.org)]
        raise InputError(
            f"run {run_id!r} is not known here{did_you_mean(run_id, latest)}",
            hint="`headrace runs` lists the runs; --destination URL names the database that has it",
        )
    return from_url(known)


def stored_run(run_id: str, destination: Destination, asked: str | None = None) -> RunRecord:
    """The record of ``run_id``. Raises InputError when the destination does not have it, or when it is another
    organisation's than ``asked``."""
    with destination.open(read_only=True) as session:
        record = session.run(run_id)
    if record is None:
        raise InputError(
            f"{destination.url} has no run {run_id!r}", hint="`headrace runs --destination URL` lists what it has"
        )
    check_owner(run_id, record.org, asked)
    return record


def stored_job(record: RunRecord, trust: Trust = EVERYTHING) -> Job:
    """The job that ``record`` was made for. Raises NotAllowed for what it may not reach (any more)."""
    pipeline = from_resolved(record.resolved)
    check_stored(pipeline, trust)
    if f'"{MASK}"' in json.dumps(record.resolved):
        raise UsageError(
            f"the file of run {record.run_id} spelled out a credential, and credentials are not stored",
            hint=f"run the file itself again: headrace run FILE --run-id {record.run_id}; better, put the credential "
            "into auth: {provider: NAME}",
        )
    return Job(
        run_id=record.run_id,
        pipeline_id=record.pipeline,
        org=record.org,
        params=record.params,
        resolved=record.resolved,
        request_hash=record.request_hash,
        mapping_hash=record.mapping_hash,
        scope=record.scope,
        steps=choose_steps(pipeline, record.resolved.get("chosen", ()), None),
        lookup=lookup_of(
            Variables.of_record(
                pipeline, record.params, record.org, record.resolved.get("environment"), os.environ, trust
            )
        ),
    )


def drive(job: Job, destination: Destination, store: StateStore, settings: Settings) -> RunResult:
    """Run ``job`` on an event loop of its own, on the thread of the caller. ``settings.stop`` asks it to stop, and so do
    Ctrl-C and SIGTERM where that is the main thread."""

    vault = Vault(store.credentials, clock=settings.clock)
    files = (settings.trust.file(settings.secrets_file, what="secrets file"),) if settings.secrets_file else ()
    secrets = RunSecrets(job.org, settings.secrets, vault, files=files, prompt=settings.prompt, trust=settings.trust)

    async def main() -> RunResult:
        around = Surroundings(
            destination=destination,
            state=store,
            clock=settings.clock,
            find_secret=secrets.find,
            keep_secret=secrets.keep,
            vault=vault,
            sinks=tuple(settings.sinks),
            offline=settings.offline,
            rewrite=settings.rewrite,
            page_limit=settings.max_pages,
            accept=settings.accept,
            trust=settings.trust,
        )
        with stopping(around.stop, settings.stop, lambda: _tell_stopping(job.run_id, settings.sinks)):
            return await execute(job, around)

    try:
        return asyncio.run(main())
    except asyncio.CancelledError:
        raise Interrupted(
            "stopped at once", hint=f"what was committed is safe; go on with: headrace resume {job.run_id}"
        ) from None


def _tell_stopping(run_id: str, sinks: Sequence[EventSink]) -> None:
    Fanout(sinks).emit(Warned(run_id, "stopping: what is fetched is being committed (once more stops at once)"))
