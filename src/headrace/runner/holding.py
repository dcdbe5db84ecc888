"""What a run holds while it runs: the destination's session, its lease, and its entry in the state store."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.core import events
from headrace.core.clock import Clock
from headrace.core.contracts import CredentialRef, Destination, Secret
from headrace.core.errors import DestinationBusy, RunIsHeld
from headrace.core.trust import EVERYTHING, Trust
from headrace.crawl.context import nowhere
from headrace.pipeline.job import Job
from headrace.runner.database import SessionThread, open_session
from headrace.state.contract import RunEntry
from headrace.state.heartbeat import Heartbeat

if TYPE_CHECKING:
    from headrace.secrets.vault import Vault
    from headrace.state.store import StateStore


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a run needs besides its job: where state is, how secrets are found, who listens."""

    destination: Destination
    state: StateStore
    clock: Clock
    find_secret: Callable[[CredentialRef], Secret]
    keep_secret: Callable[[str, Secret], None] = nowhere
    vault: Vault | None = None
    """Seals the tokens of stored credentials."""
    sinks: tuple[events.EventSink, ...] = ()
    offline: bool = False
    rewrite: Mapping[str, str] = field(default_factory=dict)
    page_limit: int | None = None
    accept: bool = False
    """Go on with a suspect run, and take it as complete."""
    trust: Trust = EVERYTHING
    stop: asyncio.Event = field(default_factory=asyncio.Event)


@asynccontextmanager
async def opened(job: Job, around: Surroundings) -> AsyncIterator[SessionThread]:
    """The destination's session; a file that another process holds names the run that holds it."""
    try:
        opening = open_session(around.destination)
        database = await opening.__aenter__()
    except DestinationBusy as busy:
        holder = around.state.holder(job.run_id)
        if holder is None or not holder.alive:
            raise
        raise _held(job.run_id, holder.pid, holder.host, holder.heartbeat, around.clock) from busy
    try:
        yield database
    finally:
        await opening.__aexit__(None, None, None)


@asynccontextmanager
async def leased(job: Job, database: SessionThread, around: Surroundings) -> AsyncIterator[None]:
    """The destination's lease on the run. Raises RunIsHeld."""
    owner = f"{os.getpid()}@{socket.gethostname()}"
    lease: list[Any] = []

    def take(session: Any) -> None:
        held = session.lease(job.run_id, owner)
        held.__enter__()
        lease.append(held)

    await database.call(take)
    try:
        yield
    finally:
        await database.call(lambda _: lease[0].__exit__(None, None, None))


@contextmanager
def announced(job: Job, around: Surroundings) -> Iterator[None]:
    """Say in the state store who runs this, and go on saying it."""
    now = around.clock.now()
    around.state.put_run(
        RunEntry(
            run_id=job.run_id,
            pipeline=job.pipeline_id,
            org=job.org,
            destination=lasting_url(around.destination),
            status="running",
            pid=os.getpid(),
            host=socket.gethostname(),
            started_at=now,
            updated_at=now,
            params=dict(job.params),
        )
    )
    with Heartbeat(around.state, job.run_id):
        yield


def lasting_url(destination: Destination) -> str:
    """The destination's URL as another folder's process would have to write it."""
    path = getattr(destination, "path", None)
    if not isinstance(path, str) or path.startswith(":"):
        return destination.url
    return type(destination).model_validate({**destination.model_dump(), "path": str(Path(path).absolute())}).url


def _held(run_id: str, pid: int, host: str, heartbeat: int, clock: Clock) -> RunIsHeld:
    seconds = max(0, clock.now() - heartbeat) // 1_000_000
    return RunIsHeld(
        f"run {run_id} is being run by process {pid} on {host} (heartbeat {seconds} s ago)",
        hint=f"wait for it, or stop it; `headrace status {run_id}` shows how far it is",
    )
