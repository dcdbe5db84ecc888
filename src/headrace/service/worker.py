"""The pool that runs what was asked for: claims requests, runs each on a thread, and gives up none."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from uuid import uuid4

from headrace.core.clock import SystemClock
from headrace.core.errors import (
    DestinationBusy,
    HeadraceError,
    InputError,
    Interrupted,
    RunIsHeld,
    RunRefused,
    StateError,
)
from headrace.core.events import Event
from headrace.runner.api import Prepared, Settings, drive, stored_job, stored_run
from headrace.runner.result import RunResult
from headrace.runner.stopping import Stop
from headrace.runner.telemetry.metrics import Metrics
from headrace.secrets.files import read_secrets
from headrace.service.apart import check_apart
from headrace.service.config import ServiceConfig
from headrace.service.keys import OPERATOR
from headrace.service.progress import Reporter
from headrace.state.progress.contract import ProgressStore, Request
from headrace.state.store import StateStore

_log = logging.getLogger("headrace.service")

CLAIM_EVERY = 0.5
"""Seconds between looks for requests that another instance queued, or left behind."""
FLUSH_EVERY = 0.5
"""Seconds between writes of what the runs say."""
HELD_PAUSE = 2.0
"""Seconds before a run that another process still holds is tried again."""
PATIENCE = 10.0
"""Seconds that a cancelled run may take to commit what it has."""

AGAIN = "again"
"""Kind of the document, named by the request, that says how a run that had ended is to go on: ``max_pages``,
``accept``."""

_Why = Literal["", "cancel", "drain", "lost"]
"""Why a run was told to stop: somebody cancelled it, the service ends, another instance has it. Empty: it was not."""


@dataclass(slots=True)
class _Running:
    request: Request
    reporter: Reporter
    stop: Stop = field(default_factory=Stop)
    why: _Why = ""
    thread: threading.Thread | None = None
    ended: bool = False


@contextmanager
def _kept_going(what: str) -> Iterator[None]:
    """A defect costs one turn of a thread that all runs depend on, and is logged."""
    try:
        yield
    except StateError:
        raise
    except Exception:
        _log.exception(what)


class _Counter:
    """An event sink that adds up what all runs do."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def emit(self, event: Event) -> None:
        self._metrics.count(event, time.time())


class Worker:
    """Threads that outlive no :meth:`drain`. ``prepare`` makes a job of a request; ``changed`` is told the id of each
    request of which something new is in the store."""

    def __init__(
        self,
        config: ServiceConfig,
        store: ProgressStore,
        prepare: Callable[[Request], Prepared],
        changed: Callable[[str], None],
    ) -> None:
        self._config, self._store, self._prepare, self._changed = config, store, prepare, changed
        self.owner = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"
        self.metrics = Metrics()
        self._counter = _Counter(self.metrics)
        self._lock = threading.Lock()
        self._running: dict[str, _Running] = {}
        self._wake = threading.Event()
        self._over = threading.Event()
        self._draining = False
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begin to claim."""
        for work in (self._claim_all, self._beat_all, self._flush_all):
            thread = threading.Thread(target=work, name=f"headrace-{work.__name__.strip('_')}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def wake(self) -> None:
        """There is a new request."""
        self._wake.set()

    def cancel(self, request_id: str) -> None:
        """End the run now, if it is run here; the store has been asked already."""
        with self._lock:
            run = self._running.get(request_id)
        if run is not None:
            self._stop(run, "cancel")

    @property
    def running(self) -> list[str]:
        """The requests that run here."""
        with self._lock:
            return list(self._running)

    def drain(self, seconds: float) -> bool:
        """Stop claiming, let every run commit what it has and go back to the queue; whether all did in time. What did
        not is taken over by whoever finds its lease run out."""
        until = time.monotonic() + seconds
        self._draining = True
        self._wake.set()
        for wait, at_once in ((seconds * 0.6, False), (seconds, True)):
            with self._lock:
                runs = list(self._running.values())
            for run in runs:
                self._stop(run, "drain", at_once=at_once)
            limit = min(until, time.monotonic() + wait)
            for run in runs:
                if run.thread is not None:
                    run.thread.join(max(0.0, limit - time.monotonic()))
        self._over.set()
        for thread in self._threads:
            thread.join(max(0.1, until - time.monotonic()))
        return not self.running

    def _claim_all(self) -> None:
        while not self._draining:
            self._wake.clear()
            claimed = None
            if len(self.running) < self._config.max_runs:
                with suppress(StateError), _kept_going("claim"):
                    claimed = self._store.claim(self.owner, lease_seconds=self._config.lease_seconds)
                    if claimed is not None:
                        self._begin(claimed)
            if claimed is None and not self._draining:
                self._wake.wait(CLAIM_EVERY)

    def _begin(self, request: Request) -> None:
        run = _Running(request, Reporter(request.request_id))
        run.thread = threading.Thread(
            target=self._run, args=(run,), name=f"headrace-run-{request.request_id}", daemon=True
        )
        if request.cancel:
            self._stop(run, "cancel")
        with self._lock:
            known = self._running.get(request.request_id)
            if known is not None and not known.ended:
                return  # its lease ran out while the machine stood still; it is ours again
            if self._draining:
                self._stop(run, "drain")
            run.thread.start()
            self._running[request.request_id] = run
        self._changed(request.request_id)

    def _beat_all(self) -> None:
        """Say that the runs live; end those that somebody wants ended, or that another instance has taken."""
        every = self._config.lease_seconds / 4
        while not self._over.wait(every):
            try:
                with _kept_going("lease"):
                    self._beat()
            except StateError as error:
                _log.warning("the store cannot be reached, runs go on: %s", error.message)

    def _beat(self) -> None:
        with self._lock:
            runs = [run for run in self._running.values() if not run.ended]
        held = self._store.beat(
            self.owner, [run.request.request_id for run in runs], lease_seconds=self._config.lease_seconds
        )
        for run in runs:
            if run.ended:
                continue
            if run.request.request_id not in held and not self._restored(run):
                self._stop(run, "lost")
            elif (now := self._store.get(run.request.request_id)) is not None and now.cancel:
                self._stop(run, "cancel")

    def _restored(self, run: _Running) -> bool:
        """Whether a request that is no longer held was not taken by somebody, but lost by the store: it is there again,
        as far as the run has come."""
        known = replace(run.request, status="running", owner=self.owner, **run.reporter.fields())
        return self._store.restore(known, self.owner, lease_seconds=self._config.lease_seconds)

    def _flush_all(self) -> None:
        while not self._over.wait(FLUSH_EVERY):
            with self._lock:
                runs = [run for run in self._running.values() if not run.ended]
            for run in runs:
                with suppress(StateError), _kept_going("progress"):  # what it says is kept until the store is back
                    if run.reporter.flush(self._store, self.owner):
                        self._changed(run.request.request_id)

    def _stop(self, run: _Running, why: _Why, *, at_once: bool = False) -> None:
        run.why = run.why or why
        if at_once:
            run.stop.at_once()
            return
        run.stop.ask()
        if why == "cancel":
            timer = threading.Timer(PATIENCE, run.stop.at_once)
            timer.daemon = True
            timer.start()

    def _run(self, run: _Running) -> None:
        try:
            changes = self._outcome(run)
            self._settle(run, changes)
        finally:
            with self._lock:
                if self._running.get(run.request.request_id) is run:  # it may have been asked for again, and begun
                    del self._running[run.request.request_id]
            self._wake.set()
            self._changed(run.request.request_id)

    def _outcome(self, run: _Running) -> dict[str, Any] | None:
        """Run it; what the store is to say of its end, or ``None`` when it is to go on elsewhere or later."""
        request = run.request
        try:
            again = self._store.document(AGAIN, request.request_id)
            prepared = self._prepare(request)
            steps = [(entry.step, entry.title or entry.step) for entry in prepared.job.steps]
            run.reporter.expect(steps, self._last_detail(request), request)
            result = self._drive(run, prepared, dict(again.body) if again else request.options)
        except (RunIsHeld, DestinationBusy, StateError) as error:
            if run.why != "cancel":
                _log.info("run %s waits: %s", request.request_id, error.message)
                with suppress(StateError):
                    self._store.update(request.request_id, self.owner, error=f"waits: {error.message}")
                self._over.wait(HELD_PAUSE)
            # Whoever cancels it does not wait for what it waits for.
            return self._end_of(run, "interrupted", "", "") if run.why == "cancel" else None
        except Interrupted as error:
            return self._end_of(run, "interrupted", error.message, error.hint)
        except HeadraceError as error:
            place = f"{error.place}: " if error.place else ""
            return self._end_of(run, "failed", place + error.message, error.hint)
        except BaseException as error:
            _log.exception("run %s", request.request_id)
            return self._end_of(run, "failed", f"internal error: {type(error).__name__}", "the service's log says more")
        remedy = next((remedy for _, remedy in result.suspicions), "").replace("RUN_ID", request.request_id)
        return self._end_of(run, result.status, result.error, remedy)

    def _drive(self, run: _Running, prepared: Prepared, options: Mapping[str, Any]) -> RunResult:
        config = self._config
        accept = bool(options.get("accept"))
        settings = Settings(
            state=config.state,
            secrets=self._secrets(prepared.job.org),
            sinks=(run.reporter, self._counter),
            rewrite=config.rewrite,
            max_pages=options.get("max_pages"),
            accept=accept,
            offline=accept,
            stop=run.stop,
            trust=prepared.trust,
        )
        if "version" in run.request.options and run.request.org != OPERATOR:
            check_apart(prepared.job.resolved, prepared.destination, run.request.org)
        with StateStore.open(config.state) as state:
            try:
                return drive(prepared.job, prepared.destination, state, settings)
            except RunRefused as refused:
                if isinstance(refused, RunIsHeld):
                    raise
                # The file has changed since the run began: it goes on with the one that it began with.
                try:
                    record = stored_run(run.request.request_id, prepared.destination, run.request.org)
                except InputError:  # it has not begun: what was refused is something else
                    raise refused from None
                return drive(stored_job(record, prepared.trust), prepared.destination, state, settings)

    def _secrets(self, org: str) -> dict[str, Any]:
        """Of the configured file, which is the operator's own: no other organisation's runs are given them."""
        file = self._config.secrets_file
        return read_secrets(file, _log.warning) if file is not None and org == OPERATOR else {}

    def _end_of(self, run: _Running, status: str, error: str, remedy: str) -> dict[str, Any] | None:
        """What the store is to say; ``None`` for a run that goes on elsewhere or later."""
        if status == "interrupted" and run.why in ("drain", "lost"):
            return None
        if status == "interrupted" and run.why == "cancel":
            status = "cancelled"
        changes: dict[str, Any] = {"status": status, "error": error, "remedy": remedy}
        if status == "done":
            changes |= {"step": "Completed", "progress": 100.0}
        return changes

    def _settle(self, run: _Running, changes: dict[str, Any] | None) -> None:
        """Bring the end to the store, however long that is away; the lease is kept meanwhile."""
        request_id = run.request.request_id
        while True:
            try:
                run.reporter.flush(self._store, self.owner)
                run.ended = True
                if changes is None:
                    self._store.give_back(request_id, self.owner)
                else:
                    changes["finished_at"] = SystemClock().now()
                    if not self._store.update(request_id, self.owner, **changes) and self._restored(run):
                        run.reporter.flush(self._store, self.owner)
                        self._store.update(request_id, self.owner, **changes)
                return
            except StateError as error:
                run.ended = False
                _log.warning("the end of run %s cannot be stored yet: %s", request_id, error.message)
                if self._over.wait(1.0):
                    return

    def _last_detail(self, request: Request) -> dict[str, Any]:
        """What the last complete run of the same pipeline into the same destination counted."""
        with suppress(StateError):
            for found in self._store.find(org=request.org, pipeline=request.pipeline, status=("done",), limit=10):
                if found.scope == request.scope and found.request_id != request.request_id:
                    return dict(found.detail)
        return {}
