"""A SQL step at work: translate with what the tables have, then store the result and the step's mark in one commit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from headrace.core import events
from headrace.core.contracts import Capabilities, Session
from headrace.core.errors import CommitFailed, HeadraceError, NotSupported, UsageError
from headrace.core.tables import PAGE, RECORD, Advance, Checkpoint, Group, Receipt, StreamKey, Transform
from headrace.core.templates import Lookup, as_text
from headrace.core.types import ColumnType
from headrace.crawl.context import RunContext
from headrace.crawl.extract import FINISHED
from headrace.crawl.plan import CrawlResult
from headrace.secrets.mask import Masker
from headrace.secrets.scrub import scrub
from headrace.sql.library import need
from headrace.steps.generic.sql_transformer import SqlTransformer

if TYPE_CHECKING:
    from headrace.sql.problem import Place
    from headrace.sql.translate import Query, Statement


async def transform(config: SqlTransformer, step: str, title: str, ctx: RunContext) -> CrawlResult:
    """Do it once in a run, whatever is killed and resumed. Raises UsageError for SQL that cannot be carried over."""
    finished = StreamKey(ctx.run_id, step, FINISHED)
    ctx.emit(events.StepStarted(ctx.run_id, step, title))
    if ctx.resumed and (done := await ctx.database.call(lambda s: s.checkpoint(finished))) is not None:
        return CrawlResult("done", dict(done.memo.get("rows", {})), done.rows, 0, 0, 0)
    try:
        receipt = await _commit(config, step, ctx, finished)
    except HeadraceError as error:  # a database quotes the SQL in its errors, and the values in it
        scrub(error, _environment(config, ctx.lookup).mask_text)
        raise
    rows = dict(receipt.rows)
    ctx.emit(events.BatchCommitted(ctx.run_id, step, 0, rows, None, 0, receipt.seconds))
    return CrawlResult("done", rows, sum(rows.values()), 0, 0, 0)


async def _commit(config: SqlTransformer, step: str, ctx: RunContext, finished: StreamKey) -> Receipt:
    capabilities = ctx.database.capabilities
    made = await ctx.database.call(lambda s: as_transform(config, step, s, capabilities, ctx.lookup))
    token = ctx.clock.random_bytes(8).hex()
    mark = Checkpoint(finished, 0, None, True, token, memo={"at": ctx.clock.now()})
    group = Group(run_id=ctx.run_id, scope=ctx.scope, advances=[Advance(None, mark)], transform=made)
    await ctx.database.call(lambda s: s.prepare((), ()))
    try:
        return await ctx.database.call(lambda s: s.commit(group))
    except CommitFailed as error:
        error.place = _where(config, step, _named_place(config, error.message))
        error.hint = error.hint or "the table is as it was before this step"
        raise


def _environment(config: SqlTransformer, lookup: Lookup) -> Masker:
    """Masks what the SQL takes from the environment."""
    masker = Masker()
    for name in config.variables(config.sql_template):
        if name.startswith("env."):
            masker.add(as_text(lookup(name)))
    return masker


def as_transform(
    config: SqlTransformer, step: str, session: Session, capabilities: Capabilities, lookup: Lookup
) -> Transform:
    """What the destination is to do. Raises UsageError with the place in the SQL."""
    need()
    from headrace.sql.translate import SqlProblem, check_names, read

    if not capabilities.sql:
        raise NotSupported("this destination has no SQL steps", place=f"step {step}")
    try:
        query = read(config.sql_template, config.dialect)
        check_names(query)
        statement = _translated(query, session, capabilities, lookup)
    except SqlProblem as problem:
        raise UsageError(problem.message, place=_where(config, step, problem.place)) from problem
    if reason := config.unfit(statement.sql, capabilities.sql):
        raise NotSupported(reason, place=f"step {step}", hint="write: overwrite")
    fold = capabilities.fold
    key = tuple(map(fold, config.key))
    return Transform(step, fold(config.destination_table or step), statement.sql, config.write, key, statement.types)


def in_its_own_sql(text: str, dialect: str, session: Session, capabilities: Capabilities, lookup: Lookup) -> str:
    """The SELECT ``text`` as the destination runs it, for a question. Raises UsageError with the place in it."""
    need()
    from headrace.sql.translate import SqlProblem, read

    if not capabilities.sql:
        raise NotSupported("this destination takes SQL in its own dialect only")
    try:
        return _translated(read(text, dialect), session, capabilities, lookup).sql
    except SqlProblem as problem:
        raise UsageError(problem.message, place=f"sql:{problem.place.line}:{problem.place.column}") from problem


def _translated(query: Query, session: Session, capabilities: Capabilities, lookup: Lookup) -> Statement:
    from headrace.sql.translate import needs, translate

    values = {name: _value(name, session, capabilities, lookup) for name in needs(query)}
    columns = columns_of(query, values, session, capabilities)
    return translate(query, capabilities.sql, values, columns=columns, fold=capabilities.fold)


def columns_of(
    query: Query, values: Mapping[str, Any], session: Session, capabilities: Capabilities
) -> dict[str, Mapping[str, ColumnType | None] | None]:
    """What the tables of a query have, by name in lower case. Raises SqlProblem for one that cannot be read."""
    from headrace.sql.translate import SqlProblem

    found: dict[str, Mapping[str, ColumnType | None] | None] = {}
    for name, place in query.tables(values).items():
        folded = ".".join(map(capabilities.fold, name.split(".")))
        quoted = ".".join('"' + part.replace('"', '""') + '"' for part in folded.split("."))
        names: list[tuple[str, ColumnType | None]] = []
        asked = f"SELECT t.* FROM (SELECT 1 AS one) o LEFT JOIN (SELECT * FROM {quoted} LIMIT 0) t ON 1 = 1"
        try:
            for batch in session.query(asked):  # a row, so that every destination says what it is made of
                names = [
                    (field.name, _ARROW.get(str(field.type)))
                    for field in batch.schema
                    if field.name not in (PAGE, RECORD)
                ]
        except UsageError as error:
            raise SqlProblem(f"the table {name!r} cannot be read: {error.message.splitlines()[0]}", place) from error
        known = session.columns(folded) if "." not in name else {}
        found[name.lower()] = {column: known.get(column, type) for column, type in names} or None
    return found


_ARROW: Mapping[str, ColumnType] = {
    "bool": "bool", "int64": "bigint", "int32": "bigint", "double": "float", "date32[day]": "date",
    "timestamp[us, tz=UTC]": "timestamp",
}  # fmt: skip


def _value(name: str, session: Session, capabilities: Capabilities, lookup: Lookup) -> Any:
    if name not in ("project", "dataset"):
        return lookup(name)
    if capabilities.sql == "sqlite":
        return "main"
    asked = "current_database()" if name == "project" else "current_schema()"
    return next(str(batch.column(0)[0]) for batch in session.query(f"SELECT {asked} AS found") if batch.num_rows)


def _where(config: SqlTransformer, step: str, at: Place | None) -> str:
    if at is None:
        return f"step {step}"
    return f"step {step}, {config.sql_file or 'sql_template'}:{at.line}:{at.column}"


def _named_place(config: SqlTransformer, message: str) -> Place | None:
    """Where the first name that a database complains of stands, if it stands anywhere."""
    from headrace.sql.problem import Place

    for name in re.findall(r"""["'`]([^"'`\n]+)["'`]|(?:column|table):? ([\w.]+)""", message):
        word = (name[0] or name[1]).rpartition(".")[2]
        found = re.search(rf"(?<!\w){re.escape(word)}(?!\w)", config.sql_template, re.IGNORECASE)
        if found:
            return Place.of(config.sql_template, found.start())
    return None
