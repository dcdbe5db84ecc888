"""What quality checks have found, from the tables that keep it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from headrace.core.contracts import Destination, Session
from headrace.inspect.rows import is_shared, table_names

_COLUMNS = (
    "check_name", "check_type", "table_name", "result_value", "threshold_value", "passed", "error_message",
    "executed_at", "batch_id",
)  # fmt: skip
LOOKED_AT = 2_000
"""The latest results of a table that are looked at."""


@dataclass(frozen=True, slots=True)
class CheckState:
    """A check as it was last made. ``made_at`` is in microseconds since 1970 UTC; ``before`` says of the latest times,
    this one first, whether it passed."""

    check: str
    kind: str
    table: str
    passed: bool
    result: float | None
    threshold: float | None
    message: str
    made_at: int
    run_id: str
    before: Sequence[bool] = ()


def check_states(
    session: Session, destination: Destination, *, latest: int = 10, org: str | None = None
) -> list[CheckState]:
    """Every check of every table of results, those that failed last first; for ``org`` those that its runs made."""
    runs = {run.run_id for run in session.runs(limit=LOOKED_AT) if run.org == org} if is_shared(session, org) else None
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for name in table_names(session, destination):
        columns = {column.lower() for column in session.columns(name)}
        if not columns.issuperset(_COLUMNS):
            continue
        sql = f"SELECT {', '.join(_COLUMNS)} FROM {_quote(name)} ORDER BY executed_at DESC LIMIT {LOOKED_AT}"
        for batch in session.query(sql):
            for row in batch.to_pylist():
                if runs is not None and row["batch_id"] not in runs:
                    continue
                found.setdefault((row["table_name"], row["check_name"]), []).append(row)
    states = [_state(rows, latest) for rows in found.values()]
    return sorted(states, key=lambda state: (state.passed, state.table or "", state.check or ""))


def _state(rows: list[dict[str, Any]], latest: int) -> CheckState:
    last = rows[0]
    return CheckState(
        check=last["check_name"] or "",
        kind=last["check_type"] or "",
        table=last["table_name"] or "",
        passed=bool(last["passed"]),
        result=last["result_value"],
        threshold=last["threshold_value"],
        message=last["error_message"] or "",
        made_at=_micros(last["executed_at"]),
        run_id=last["batch_id"] or "",
        before=[bool(row["passed"]) for row in rows[:latest]],
    )


def _micros(value: Any) -> int:
    """A time as a database gives it: SQLite as text."""
    moment = datetime.fromisoformat(value.replace("Z", "+00:00")) if isinstance(value, str) else value
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(aware.timestamp() * 1_000_000)


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
