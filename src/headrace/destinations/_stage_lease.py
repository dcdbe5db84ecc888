"""Leases as objects: numbered takes, of which the last one counts, each with a heartbeat beside it."""

from __future__ import annotations

import json
import os
import platform
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from headrace.core.errors import RunIsHeld
from headrace.destinations import _stage_names as names
from headrace.destinations._base import as_json, now
from headrace.destinations._leased import BEAT, STALE, alive, process_started
from headrace.storage.retry import Retrying

_held: set[tuple[str, str]] = set()
"""(place, run) of every lease of this process."""


@contextmanager
def leased(store: Retrying, run_id: str, owner: str) -> Iterator[None]:
    """Hold ``run_id`` until exit. Raises RunIsHeld with who holds it."""
    mine = (store.place, run_id)
    if mine in _held:
        raise RunIsHeld(
            f"run {run_id} is already being run by this process", hint="wait for it to end, or start another run"
        )
    beat = _take(store, run_id, owner)
    _held.add(mine)
    stop = threading.Event()
    thread = threading.Thread(target=_keep_beating, args=(store, beat, stop), name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        _held.discard(mine)
        with suppress(Exception):  # a lease that is not given back is found dead with this process
            store.put(beat, as_json({"released": True}).encode())


def _take(store: Retrying, run_id: str, owner: str) -> str:
    """Take the lease's next number; the name of its heartbeat."""
    folder = f"{names.run_folder(run_id)}/lease"
    takes = [entry.name for entry in store.scan(folder) if entry.name.endswith(".json")]
    number = 1
    if takes:
        last = takes[-1]
        number += int(last.rpartition("/")[2].removesuffix(".json"))
        _refuse_if_held(store, run_id, last)
    pid = os.getpid()
    take = {"owner": owner, "pid": pid, "host": platform.node(), "started": process_started(pid), "at": now()}
    name = f"{folder}/{number:06d}"
    if not store.create(f"{name}.json", as_json({**take, "token": os.urandom(8).hex()}).encode()):
        raise RunIsHeld(f"run {run_id} is held by another process, which is just starting")
    return f"{name}.beat"


def _refuse_if_held(store: Retrying, run_id: str, take: str) -> None:
    holder: dict[str, Any] = json.loads(store.get(take) or b"{}")
    beat: dict[str, Any] = json.loads(store.get(take.removesuffix(".json") + ".beat") or b"{}")
    if not holder or beat.get("released"):
        return
    seen = max(holder["at"], beat.get("at", 0))
    here = holder["host"] == platform.node()
    if alive(holder["pid"], holder["started"]) if here else time.time_ns() // 1000 - seen < STALE:
        ago = max(0, now() - seen) // 1_000_000
        raise RunIsHeld(
            f"run {run_id} is held by {holder['owner']}: process {holder['pid']} on {holder['host']}, last heartbeat "
            f"{ago} s ago",
            hint="wait for it to end, or stop that process",
        )


def _keep_beating(store: Retrying, name: str, stop: threading.Event) -> None:
    while not stop.wait(BEAT):
        with suppress(Exception):  # a beat that is late is made up for by the next
            store.put(name, as_json({"at": now()}).encode())
