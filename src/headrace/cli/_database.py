"""Which database a command reads, and what is said when another process holds it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from headrace.core.errors import CannotOpen, DestinationBusy
from headrace.core.organisations import asking, check_owner

if TYPE_CHECKING:
    from headrace.core.contracts import Destination, Session
    from headrace.state.contract import RunEntry
    from headrace.state.store import StateStore

DEFAULT = "duckdb:///headrace.duckdb"


@contextmanager
def opened_state(folder: Path | None) -> Iterator[StateStore]:
    """The state store; its warnings go to stderr."""
    from headrace.state.store import StateStore

    with StateStore.open(folder, warn=lambda text: click.echo(f"warning: {text}", err=True)) as store:
        yield store


def resolve(url: str | None, state: Path | None, run_id: str | None = None) -> Destination:
    """The database that ``--destination`` names, else the one that ``run_id`` went to, else what
    HEADRACE_DESTINATION and DATABASE_URL say, else ./headrace.duckdb."""
    from headrace.destinations import from_url

    if url is None and run_id is not None:
        with opened_state(state) as store:
            entry = store.run(run_id)
        if entry is not None:
            check_owner(run_id, entry.org, asking())
        url = entry.destination if entry is not None else None
    url = url or os.environ.get("HEADRACE_DESTINATION") or os.environ.get("DATABASE_URL") or DEFAULT
    return from_url(url)


@contextmanager
def opened(destination: Destination, state: Path | None, *, read_only: bool = True) -> Iterator[Session]:
    """A session on a database that exists. Raises CannotOpen, and DestinationBusy with who holds it."""
    with ExitStack() as held:
        try:
            path = getattr(destination, "path", None)
            if isinstance(path, str) and not Path(path).exists():
                raise CannotOpen(f"there is no database {destination.url}")
            session = held.enter_context(destination.open(read_only=read_only))
        except DestinationBusy as busy:
            with opened_state(state) as store:
                raise explained(busy, destination.url, store) from busy
        except CannotOpen as error:
            with opened_state(state) as store:
                raise _elsewhere(error, destination.url, store) from error
        yield session


def own_run(session: Session, run_id: str | None) -> None:
    """Raises InputError when ``run_id`` is another organisation's than ``HEADRACE_ORG``."""
    record = session.run(run_id) if run_id else None
    if record is not None:
        check_owner(record.run_id, record.org, asking())


def explained(busy: DestinationBusy, url: str, store: StateStore) -> DestinationBusy:
    """``busy`` with the run and the process that hold the file, and what still answers."""
    pid = re.search(r"process (\d+)", busy.message)
    entry = _holder(store.runs(limit=100), url, int(pid[1]) if pid else 0)
    if entry is None:
        hint = "close that program (a database shell, a notebook, another run), or wait; `headrace runs` and\n"
        return DestinationBusy(busy.message, hint=hint + "  `headrace status RUN_ID` answer meanwhile")
    return DestinationBusy(
        f"{url} is held by run {entry.run_id} (pipeline {entry.pipeline}, process {entry.pid})",
        hint="one process at a time can use this file: wait for the run, or stop it with Ctrl-C (nothing is lost)."
        f"\n  Meanwhile these answer: headrace status {entry.run_id}, headrace runs",
    )


def _holder(entries: list[RunEntry], url: str, pid: int) -> RunEntry | None:
    running = [entry for entry in entries if entry.status == "running"]
    by_pid = (entry for entry in running if entry.pid == pid)
    by_file = (entry for entry in running if not pid and url and _absolute(entry.destination) == _absolute(url))
    return next(by_pid, next(by_file, None))


def _absolute(url: str) -> str:
    """One text for a file, from whichever folder it was named."""
    scheme, found, path = url.partition(":///")
    return f"{scheme}:///{Path(path).absolute()}" if found else url


def _exists(url: str) -> bool:
    _, file, path = url.partition(":///")
    return not file or Path(path).exists()


def _elsewhere(error: CannotOpen, url: str, store: StateStore) -> CannotOpen:
    known = dict.fromkeys(entry.destination for entry in store.runs(limit=20))
    others = [found for found in known if _absolute(found) != _absolute(url) and _exists(found)]
    if others:
        hint = "the latest runs went to: " + ", ".join(others[:3]) + f"\n  name one: --destination {others[0]}"
    else:
        hint = error.hint or "`headrace run` makes it; --destination URL names another one"
    return CannotOpen(error.message, hint=hint, place=error.place)
