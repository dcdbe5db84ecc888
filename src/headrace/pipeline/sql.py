"""The SQL of a pipeline file: read from files, checked against the tables that the steps before it make, and the
lineage that it shows."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace import pipelines
from headrace.core.contracts import Capabilities
from headrace.core.errors import NotAllowed
from headrace.core.suggest import did_you_mean
from headrace.core.tables import COMPANIONS
from headrace.core.templates import Lookup
from headrace.core.trust import EVERYTHING, Trust
from headrace.core.types import ColumnType
from headrace.mapping.spec import declared_columns, legacy_table
from headrace.pipeline.shape import Problem, Shaped
from headrace.pipeline.yaml import Place, Where
from headrace.sql.holes import HOLE, OWN
from headrace.steps.base import Step, processors
from headrace.steps.checks.sql import Sql
from headrace.steps.generic.api_extractor import ApiExtractor
from headrace.steps.generic.quality_checks import QualityChecks
from headrace.steps.generic.sql_transformer import SqlTransformer
from headrace.steps.generic.stage_loader import StageLoader
from headrace.steps.source import Raw

if TYPE_CHECKING:
    from headrace.pipeline.model import PipelineStep
    from headrace.sql.read import Query

MAX_BYTES = 1_000_000

_ANY = "*"
"""Stands for whatever tables a stage has."""

Known = dict[str, Mapping[str, ColumnType | None] | None]
"""The columns of tables by name in lower case; ``None`` where only a run can tell."""


def inline(shaped: Shaped, name: str, trust: Trust = EVERYTHING) -> None:
    """Read the SQL files of the file ``name`` into their steps, and name the tables of steps that do not."""
    steps = shaped.data.get("steps")
    if not isinstance(steps, list):
        return
    for index, entry in enumerate(steps):
        kind = processors().get(str(entry.get("processor"))) if isinstance(entry, dict) else None
        config = entry.get("config") if isinstance(entry, dict) else None
        if kind is None or not issubclass(kind, SqlTransformer) or not isinstance(config, dict):
            continue
        path: Where = ("steps", index, "config")
        config = dict(config)
        file = config.get("sql_file")
        if isinstance(file, str):
            if "sql_template" in config:
                shaped.problem((*path, "sql_file"), "sql_template and sql_file exclude each other", key=True)
            text = _read(shaped, (*path, "sql_file"), file, name, trust)
            config["sql_template"] = "unread" if text is None else text
        if isinstance(entry.get("step"), str):
            config.setdefault("destination_table", entry["step"])
        steps[index] = {**entry, "config": config}


def _read(shaped: Shaped, where: Where, file: str, name: str, trust: Trust) -> str | None:
    try:
        if not Path(name).exists() and name.removesuffix(".yml") in pipelines.names() and Path(file).name == file:
            data = (files("headrace.pipelines") / file).read_bytes()
        else:
            with trust.file(Path(name).parent / file, what="SQL file").open("rb") as source:
                data = source.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise ValueError("larger than 1 MB")
        return data.decode("utf-8").removeprefix("\ufeff")
    except NotAllowed as error:
        shaped.problem(where, f"{error.message}; {error.hint}")
        return None
    except (OSError, ValueError) as error:
        why = "not UTF-8" if isinstance(error, UnicodeDecodeError) else getattr(error, "strerror", None) or str(error)
        shaped.problem(where, f"cannot read {file!r}: {why}")
        return None


def problems(steps: list[PipelineStep], shaped: Shaped, capabilities: Capabilities | None) -> Iterator[Problem]:
    """What is wrong with the SQL: syntax, tables that nobody makes, what the destination cannot be given."""
    if not any(map(_has_sql, steps)):
        return
    if importlib.util.find_spec("sqlglot") is None:
        first = next(i for i, entry in enumerate(steps) if _has_sql(entry))
        yield shaped.locate(("steps", first), "SQL steps need sqlglot: pip install 'headrace[sql]'")
        return
    known: Known = {}
    for index, entry in enumerate(steps):
        config = entry.config
        if isinstance(config, QualityChecks):
            yield from _of_checks(config, shaped, ("steps", index, "config", "checks"), known, capabilities)
        if not isinstance(config, SqlTransformer):
            known |= _made(entry)
            continue
        table = (config.destination_table or entry.step).lower()
        looked = _Look(config, shaped, ("steps", index, "config"), known, capabilities)
        yield from looked.problems()
        known[table] = None if table in known else looked.result


def _of_checks(
    config: QualityChecks, shaped: Shaped, path: Where, known: Known, capabilities: Capabilities | None
) -> Iterator[Problem]:
    """What keeps the SQL of quality checks from being carried over; tables may be there without the file."""
    from headrace.sql.translate import SqlProblem, read, translate

    for at, check in enumerate(config.checks):
        if isinstance(check, Sql) and check.dialect is not None:
            try:
                query = read(check.sql, check.dialect)
                if capabilities is not None and capabilities.sql:
                    translate(query, capabilities.sql, columns=known, fold=capabilities.fold)
            except SqlProblem as problem:
                line = f"line {problem.place.line} of the SQL: " if problem.place.line > 1 else ""
                yield shaped.locate((*path, at, "sql"), f"{line}{problem.message}")


def _has_sql(entry: PipelineStep) -> bool:
    """Whether a step has SQL in a dialect."""
    config = entry.config
    if isinstance(config, QualityChecks):
        return any(isinstance(check, Sql) and check.dialect is not None for check in config.checks)
    return isinstance(config, SqlTransformer)


class _Look:
    """One SQL step, beside the tables that there are when it runs."""

    def __init__(
        self, config: SqlTransformer, shaped: Shaped, path: Where, known: Known, capabilities: Capabilities | None
    ) -> None:
        self._config, self._shaped, self._path, self._known = config, shaped, path, known
        self._capabilities = capabilities
        self.result: Mapping[str, ColumnType | None] | None = None
        """The columns of what it makes, once :meth:`problems` has been through, where the text tells."""

    def problems(self) -> Iterator[Problem]:
        from headrace.sql.translate import SqlProblem, check_names, read, translate

        config, capabilities = self._config, self._capabilities
        try:
            query = read(config.sql_template, config.dialect)
            check_names(query)
        except SqlProblem as problem:
            yield self._at(problem.place, problem.message)
            return
        missing = list(self._missing(query))
        yield from missing
        if missing or capabilities is None:
            return
        if not capabilities.sql:
            yield self._shaped.locate(self._path[:2], "this destination has no SQL steps")
            return
        try:
            statement = translate(query, capabilities.sql, columns=self._known, fold=capabilities.fold)
        except SqlProblem as problem:
            yield self._at(problem.place, problem.message)
            return
        if reason := config.unfit(statement.sql, capabilities.sql):
            yield self._shaped.locate((*self._path, "write"), f"{reason}: write: overwrite")
        if statement.columns:
            types = {name.lower(): type for name, type in statement.types.items()}
            self.result = {name.lower(): types.get(name.lower()) for name in statement.columns}
            for at, key in enumerate(config.key):
                if key.lower() not in self.result:
                    hint = did_you_mean(key, statement.columns) or f"; it has: {', '.join(statement.columns)}"
                    yield self._shaped.locate((*self._path, "key", at), f"the result has no column {key!r}{hint}")

    def _missing(self, query: Query) -> Iterator[Problem]:
        declared = {name.lower() for name in self._config.reads}
        for name, place in query.tables().items() if _ANY not in self._known else ():
            if name.lower() not in self._known and name.lower() not in declared and not HOLE.search(name):
                hint = did_you_mean(name.lower(), [*self._known, *declared])
                yield self._at(
                    place,
                    f"unknown table {name!r}{hint}; no step before this one makes it (if it is there already, name it "
                    "under reads)",
                )

    def _at(self, place: Any, message: str) -> Problem:
        """A problem at a place of the SQL, as a place of the file."""
        config, shaped = self._config, self._shaped
        if config.sql_file is not None:
            return shaped.locate((*self._path, "sql_file"), f"{config.sql_file}:{place.line}:{place.column}: {message}")
        found = shaped.locate((*self._path, "sql_template"), message)
        block = shaped.document.blocks.get(shaped.written((*self._path, "sql_template")))
        if block is not None:
            return found._replace(place=Place(block.line + place.line - 1, block.column + place.column - 1))
        if place.line > 1:
            return found._replace(message=f"line {place.line} of the SQL: {message}")
        return found


def _made(entry: PipelineStep) -> Known:
    """The tables that a step leaves behind."""
    config, found = entry.config, Known()
    if isinstance(config, ApiExtractor):
        tables = config.tables or ([legacy_table(config.destination, config.transform)] if config.destination else [])
        for table in tables:
            columns = {name.lower(): column.type for name, column in declared_columns(table).items()}
            exact = table.columns is not None and table.disposition in ("append", "merge", "replace")
            found[table.table.lower()] = columns if exact else None
            found |= {table.table.lower() + end: None for end in COMPANIONS}
            if table.staging:
                found[table.staging.lower()] = None
        if isinstance(config.raw, Raw):
            found[(config.raw.table or f"{entry.step}_raw_pages").lower()] = None
    elif isinstance(config, StageLoader):
        found |= dict.fromkeys([(each.into or each.table).lower() for each in config.tables] or [_ANY])
    elif isinstance(config, QualityChecks):
        found[config.results.lower()] = None
        if config.keep is not None:
            found[config.keep.table.lower()] = None
    return found


@dataclass(frozen=True, slots=True)
class Lineage:
    """What a SQL step makes, and from what: each table that it reads, with the step that makes that (``""`` for one
    that is there already)."""

    step: str
    table: str
    write: str
    sources: Mapping[str, str]


def tables_read(config: Step, lookup: Lookup) -> tuple[str, ...]:
    """The tables that a step reads by SQL, as its variables name them in a run."""
    if not isinstance(config, SqlTransformer):
        return ()
    from headrace.sql.translate import SqlProblem, needs, read

    try:
        query = read(config.sql_template, config.dialect)
    except SqlProblem:  # a stored step of an earlier version
        return ()
    values = {name: "" if name in OWN else lookup(name) for name in needs(query)}
    return tuple(query.tables(values))


def lineage(steps: Sequence[PipelineStep]) -> list[Lineage]:
    """The SQL steps of ``steps``, in order. Raises UsageError without the library that reads SQL."""
    if not any(isinstance(entry.config, SqlTransformer) for entry in steps):
        return []
    from headrace.sql.library import need

    need()
    from headrace.sql.translate import SqlProblem, read

    found: list[Lineage] = []
    maker: dict[str, str] = {}
    for entry in steps:
        config = entry.config
        if not isinstance(config, SqlTransformer):
            maker |= dict.fromkeys(_made(entry), entry.step)
            continue
        try:
            names = read(config.sql_template, config.dialect).tables()
        except SqlProblem:  # a stored step of an earlier version
            names = {}
        table = config.destination_table or entry.step
        sources = {name: maker.get(name.lower(), "") for name in names}
        found.append(Lineage(entry.step, table, config.write, sources))
        maker[table.lower()] = entry.step
    return found
