"""Quality checks at work: ask, judge, and store results and the step's mark in one transaction."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from headrace.core import events
from headrace.core.clock import as_datetime
from headrace.core.contracts import Session
from headrace.core.errors import HeadraceError, InputError, UsageError
from headrace.core.tables import PAGE, RECORD, Advance, Checkpoint, Group, StreamKey, page_id
from headrace.core.types import ColumnType
from headrace.crawl.context import RunContext
from headrace.crawl.extract import FINISHED
from headrace.crawl.plan import CrawlResult
from headrace.mapping.config import Column, Table
from headrace.mapping.mapper import Mapper
from headrace.steps.checks._base import Check, Moment, Schema, Verdict
from headrace.steps.checks.sql import Sql
from headrace.steps.generic.quality_checks import QualityChecks

GATE = "#gate"
"""The stream that counts the evaluations that failed: the next one, by `resume`, is another."""
EXAMPLES = 5
LONGEST = 200
"""Characters of a value that an example shows."""
HIDDEN = "***"

_RESULTS: Mapping[str, Any] = {
    "check_id": "string", "check_name": "string", "check_type": "string", "table_name": "string", "check_sql": "string",
    "result_value": "float", "threshold_value": "float", "passed": "bool", "error_message": "string",
    "executed_at": "timestamp", "batch_id": "string",
}  # fmt: skip
_KEPT: Mapping[str, Any] = {
    "check_id": "string", "row_number": "int", "check_name": "string", "table_name": "string", "row": "json",
    "executed_at": "timestamp", "batch_id": "string",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Outcome:
    """One check, judged. ``broken``: it could not be asked, which fails the run whatever its severity."""

    check: Check
    sql: str
    verdict: Verdict
    rows: Sequence[Mapping[str, Any]] = ()
    broken: bool = False

    @property
    def fails(self) -> bool:
        return not self.verdict.passed and (self.broken or self.check.severity == "fail")


class Gate:
    """One step, from its mark to its results."""

    def __init__(self, config: QualityChecks, step: str, title: str, ctx: RunContext) -> None:
        self._config, self._step, self._title, self._ctx = config, step, title, ctx
        self._sensitive = frozenset({*ctx.sensitive, *(name.casefold() for name in config.sensitive)})
        last = ctx.last_complete(step)
        self._before: Mapping[str, float] = last.mark if last is not None and isinstance(last.mark, dict) else {}
        self._last_run = last.run_id if last is not None else ""

    async def run(self) -> CrawlResult:
        """Evaluate once: what a killed call has stored is not asked again."""
        ctx = self._ctx
        finished, gate = (StreamKey(ctx.run_id, self._step, name) for name in (FINISHED, GATE))
        ctx.emit(events.StepStarted(ctx.run_id, self._step, self._title))
        if ctx.resumed and (done := await ctx.database.call(lambda s: s.checkpoint(finished))) is not None:
            return CrawlResult("done", dict(done.memo.get("rows", {})), done.rows, 0, 0, 0)
        failed = await ctx.database.call(lambda s: s.checkpoint(gate)) if ctx.resumed else None
        if failed is not None and ctx.cut_off:
            return CrawlResult("failed", {}, failed.rows, 0, 0, 0, error=str(failed.memo.get("error", "")))
        attempt = failed.page_number + 1 if failed is not None else 1
        mapper = self._mapper()
        await ctx.database.call(lambda s: s.prepare(mapper.specs, ()))
        self._sensitive |= await ctx.database.call(_marked)
        now = ctx.clock.now()
        outcomes = await ctx.database.call(lambda s: [self._outcome(check, s, now) for check in self._config.checks])
        failures = [outcome for outcome in outcomes if outcome.fails]
        error = self._error(failures, len(outcomes)) if failures else ""
        batches = self._batches(mapper, outcomes, attempt, now)
        rows = {batch.table: batch.rows.num_rows for batch in batches}
        token = ctx.clock.random_bytes(8).hex()
        if failures:
            memo: dict[str, Any] = {"error": error}
            advance = Advance(failed, Checkpoint(gate, attempt, None, False, token, len(outcomes), memo))
        else:
            counts = {o.check.label: o.verdict.result for o in outcomes if o.verdict.result is not None}
            memo = {"mark": counts, "rows": rows, "at": now}
            advance = Advance(None, Checkpoint(finished, 0, None, True, token, len(outcomes), memo))
        group = Group(run_id=ctx.run_id, scope=ctx.scope, advances=[advance], batches=batches)
        await ctx.database.call(lambda s: s.commit(group))
        for outcome in outcomes:
            ctx.emit(self._event(outcome))
        return CrawlResult("failed" if failures else "done", rows, len(outcomes), 0, 0, 0, error=error)

    def _outcome(self, check: Check, session: Session, now: int) -> Outcome:
        fold = self._ctx.database.capabilities.fold
        sql = ""
        try:
            question = check.ask(Schema(fold, session.columns, self._ctx.lookup, self._translate(session)))
            sql = question.sql
            value = _first(session, sql, question.params)
            hidden = any(column.casefold() in self._sensitive for column in check.columns)
            verdict = check.judge(value, Moment(now, self._before.get(check.label), hidden))
            found: list[dict[str, Any]] = []
            if not verdict.passed and question.rows:
                most = max(EXAMPLES, self._config.keep.rows if self._config.keep else 0)
                types = session.columns(fold(check.table)) if check.table else {}
                limited = f"{question.rows} LIMIT {most}"
                for batch in session.query(limited, question.params):
                    hide = self._sensitive | _renamed(check, batch.schema.names, self._sensitive, session)
                    found += [_shown(row, types, hide) for row in batch.to_pylist()]
                found.sort(key=lambda row: json.dumps(row, sort_keys=True))
        except UsageError as error:
            return Outcome(check, sql, Verdict(False, None, None, self._told(error)), broken=True)
        return Outcome(check, sql, verdict, found)

    def _translate(self, session: Session) -> Callable[[str, str], str]:
        from headrace.steps.generic._transform import in_its_own_sql

        ctx = self._ctx
        return lambda text, dialect: in_its_own_sql(text, dialect, session, ctx.database.capabilities, ctx.lookup)

    def _told(self, error: HeadraceError) -> str:
        """Why a check could not be asked. A database may quote values in its errors, so where anything is
        sensitive what stands in quotes is left out."""
        text = self._ctx.masker.mask_text(str(error))
        if self._sensitive and not isinstance(error, InputError):
            text = re.sub(r"""'(?:[^']|'')*'|"(?:[^"]|"")*\"""", f"'{HIDDEN}'", text)
        return f"it could not be asked: {text}"

    def _error(self, failures: Sequence[Outcome], count: int) -> str:
        lines = [f"{len(failures)} of {count} quality checks failed"]
        for outcome in failures:
            lines.append(f"{outcome.check.label}: {outcome.verdict.message}")
            lines += [f"  {_short(row)}" for row in outcome.rows[:EXAMPLES]]
        lines.append(f"all results are in {self._config.results} (batch_id {self._ctx.run_id})")
        return self._ctx.masker.mask_text("\n".join(lines))

    def _event(self, outcome: Outcome) -> events.QualityChecked:
        check, verdict = outcome.check, outcome.verdict
        return events.QualityChecked(
            self._ctx.run_id,
            self._step,
            check.label,
            str(getattr(check, "type", "")),
            check.table,
            "fail" if outcome.broken else check.severity,
            verdict.passed,
            verdict.result,
            verdict.threshold,
            self._ctx.masker.mask_text(verdict.message),
            [self._ctx.masker.mask_text(_short(row)) for row in outcome.rows[:EXAMPLES]],
        )

    def _mapper(self) -> Mapper:
        tables = [_table(self._config.results, _RESULTS, ["check_id"])]
        if self._config.keep is not None:
            tables.append(_table(self._config.keep.table, _KEPT, ["check_id", "row_number"], each="rows.*"))
        capabilities = self._ctx.database.capabilities
        return Mapper(tables, known={}, limits=capabilities.limits, lookup=self._ctx.lookup, fold=capabilities.fold)

    def _batches(self, mapper: Mapper, outcomes: Sequence[Outcome], attempt: int, now: int) -> Sequence[Any]:
        ctx = self._ctx
        at = as_datetime(now).isoformat()
        records: list[dict[str, Any]] = []
        for outcome in outcomes:
            check, verdict = outcome.check, outcome.verdict
            common = {
                "check_id": str(uuid5(NAMESPACE_URL, f"{ctx.run_id}/{self._step}/{check.label}/{attempt}")),
                "check_name": check.label,
                "table_name": check.table or None,
                "executed_at": at,
                "batch_id": ctx.run_id,
            }
            most = self._config.keep.rows if self._config.keep else 0
            records.append({
                **common,
                "check_type": str(getattr(check, "type", "")),
                "check_sql": ctx.masker.mask_text(outcome.sql) or None,
                "result_value": verdict.result,
                "threshold_value": verdict.threshold,
                "passed": verdict.passed,
                "error_message": ctx.masker.mask_text(verdict.message).replace("\0", "") or None,
                "rows": [{**common, "row_number": n, "row": row} for n, row in enumerate(outcome.rows[:most], 1)],
            })  # fmt: skip
        text = json.dumps(records).encode()
        key = StreamKey(ctx.run_id, self._step, GATE)
        mapped = mapper.map(text, page_id=page_id(now, key, attempt), fetched_at=now)
        if mapped.rejected:
            first = mapped.rejected[0]
            raise InputError(
                f"the results cannot be stored in {first.table}: {first.reason}", place=f"step {self._step}"
            )
        return mapped.batches


def _renamed(check: Check, names: Sequence[str], sensitive: frozenset[str], session: Session) -> frozenset[str]:
    """The names that a query with a sensitive column in it gives itself, and no table has: which of them is that
    one cannot be told."""
    words = [word.casefold() for word in re.findall(r"\w+", check.sql)] if isinstance(check, Sql) else []
    if sensitive.isdisjoint(words):
        return frozenset()
    given = {name for before, name in pairwise(words) if before == "as"}
    tables = [str(row["table"]) for b in session.query('SELECT "table" FROM headrace_tables') for row in b.to_pylist()]
    known = {column.casefold() for table in tables for column in session.columns(table)} - given
    return frozenset(name.casefold() for name in names) - known


def _shown(row: Mapping[str, Any], types: Mapping[str, ColumnType], hide: frozenset[str]) -> dict[str, Any]:
    """A row as it may be shown and kept: without what is to ``hide``, without the engine's columns, and written
    alike whatever the database."""
    shown: dict[str, Any] = {}
    for name, value in row.items():
        if name in (PAGE, RECORD):
            continue
        hidden = value is not None and name.casefold() in hide
        shown[name] = HIDDEN if hidden else _plain(value, types.get(name))
    return shown


def _table(name: str, columns: Mapping[str, Any], key: list[str], each: str | None = None) -> Table:
    declared: dict[str, Any] = {column: Column(path=column, type=type) for column, type in columns.items()}
    return Table(table=name, each=each, key=key, columns=declared, write="append")


def _marked(session: Session) -> frozenset[str]:
    """What the tables of the database mark as sensitive, also those that other pipelines made."""
    found: set[str] = set()
    for batch in session.query("SELECT spec FROM headrace_tables"):
        for text in batch.column(0).to_pylist():
            found |= {str(name).casefold() for name in json.loads(str(text)).get("sensitive", ())}
    return frozenset(found)


def _first(session: Session, sql: str, params: Sequence[Any]) -> Any:
    for batch in session.query(sql, params):
        for row in batch.slice(0, 1).to_pylist():
            return next(iter(row.values()))
    return None


def _plain(value: Any, type: ColumnType | None) -> Any:
    """As JSON has it; databases that lack a type give its values in another."""
    if value is None:
        return None
    if type == "bool":
        return bool(value)
    if type == "json" and isinstance(value, str):
        return json.loads(value)
    if isinstance(value, Decimal) or type == "decimal":
        text = str(value)
        return text.rstrip("0").rstrip(".") if "." in text else text
    if type == "timestamp" and isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    return value if isinstance(value, str | int | float | bool | list | dict) else str(value)


def _short(row: Mapping[str, Any]) -> str:
    cut = {
        name: value[:LONGEST] + "…" if isinstance(value, str) and len(value) > LONGEST else value
        for name, value in row.items()
    }
    text = json.dumps(cut, ensure_ascii=False)
    return text if len(text) <= 10 * LONGEST else text[: 10 * LONGEST] + "…"
