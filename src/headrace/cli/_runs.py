"""Runs as `runs` and `status` show them, from the state folder or a database's own list."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headrace.core.tables import RunRecord
    from headrace.state.contract import RunEntry


def of_entry(entry: RunEntry) -> dict[str, Any]:
    """A run of the state folder, as `--json` prints it."""
    found = asdict(entry)
    found["percent"] = percent(entry)
    found["next"] = next_command(entry.run_id, entry.status)
    return found


def of_record(record: RunRecord, destination: str) -> dict[str, Any]:
    """A run of a database, in the same form."""
    wanted = ("run_id", "pipeline", "org", "status", "rows", "pages", "requests", "started_at", "finished_at", "error")
    found = {name: getattr(record, name) for name in wanted}
    return {**found, "params": dict(record.params), "destination": destination,
            "next": next_command(record.run_id, record.status)}  # fmt: skip


def percent(entry: RunEntry) -> int | None:
    """How much of the declared total this call has seen; ``None`` where nobody knows."""
    if entry.status == "done":
        return 100
    total = entry.progress.get("total")
    return min(99, 100 * int(entry.progress.get("records") or 0) // int(total)) if total else None


def next_command(run_id: str, status: str) -> str:
    """What to type next."""
    if status == "suspect":
        return f"headrace accept {run_id}"
    if status.startswith("interrupted") or status in ("failed", "partial"):
        return f"headrace resume {run_id}"
    return ""
