"""A person says that a suspect crawl was complete."""

from __future__ import annotations

from pathlib import Path

from headrace.core.errors import InputError
from headrace.core.organisations import asking
from headrace.runner.api import Settings, drive, find_destination, stored_job, stored_run
from headrace.runner.result import RunResult
from headrace.state.store import StateStore


def accept(
    run_id: str, *, destination: str | None = None, org: str | None = None, state: Path | None = None
) -> RunResult:
    """Treat the suspect run ``run_id`` as complete: its replaced tables are exchanged and absences count.

    Makes no request. Raises InputError when the run is not suspect, or another organisation's than ``org`` (else
    ``HEADRACE_ORG``).
    """
    asked = asking(org)
    with StateStore.open(state) as store:
        target = find_destination(run_id, destination, store, asked)
        record = stored_run(run_id, target, asked)
        if record.status != "suspect":
            raise InputError(
                f"run {run_id} is {record.status}, not suspect", hint="there is nothing to accept", place="accept"
            )
        return drive(stored_job(record), target, store, Settings(state=state, offline=True, accept=True))
