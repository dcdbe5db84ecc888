"""What ``headrace check`` says beyond what keeps a file from loading: the destination's limits, and warnings."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from headrace.core.contracts import Capabilities
from headrace.core.errors import PipelineFileError
from headrace.core.tables import COMPANIONS
from headrace.core.templates import names
from headrace.mapping.config import Table
from headrace.mapping.spec import declared_columns, legacy_table, table_specs
from headrace.pipeline import sql
from headrace.pipeline.load import Draft, draft
from headrace.pipeline.secrets import spells_out
from headrace.pipeline.shape import Problem
from headrace.pipeline.variables import OF_THE_RUN, texts
from headrace.pipeline.yaml import Where
from headrace.steps.generic.api_extractor import ApiExtractor
from headrace.steps.generic.quality_checks import QualityChecks
from headrace.steps.generic.sql_transformer import SqlTransformer
from headrace.steps.generic.stage_loader import StageLoader
from headrace.steps.source import Raw, Source

ENGINE_PREFIX = "headrace_"

_OTHER_VARIABLES = re.compile(r"\$(?:[A-Z][A-Z0-9_]+|\{\w+\})|\$?\{\{\s*[A-Za-z_][\w.]*\s*\}\}")


def check(source: str | Path, capabilities: Capabilities | None = None) -> list[str]:
    """Every problem of a built-in pipeline or a file, one ``file:line:column: …`` line each; those that do not
    keep it from running say ``warning:`` after the place. Raises UsageError when there is no such file."""
    try:
        found = draft(source)
    except PipelineFileError as error:
        return error.problems
    return check_draft(found, capabilities)


def is_warning(line: str) -> bool:
    """Whether a line of :func:`check` is about something that does not keep the pipeline from running."""
    return re.search(r":\d+:\d+: warning: ", line) is not None


def check_draft(found: Draft, capabilities: Capabilities | None = None) -> list[str]:
    """:func:`check` of a file that has been read."""
    at = found.shaped.locate
    problems = list(_names(found, capabilities, at))
    for where, table in _tables(found):
        problems += [at(where, message) for message in _table_problems(table, capabilities)]
    for index, entry in enumerate(found.pipeline.steps):
        if isinstance(entry.config, SqlTransformer):
            where = ("steps", index, "config", "destination_table")
            problems += [at(where, message) for message in _name_problems(entry.config.destination_table, capabilities)]
    problems += sql.problems(found.pipeline.steps, found.shaped, capabilities)
    if capabilities is not None and not capabilities.keys:
        for index, entry in enumerate(found.pipeline.steps):
            if entry.config.keeps_by_key:
                name = type(entry.config).processor
                problems.append(
                    at(("steps", index, "processor"), f"{name} needs a database: this destination only adds rows")
                )
    warnings = [problem._replace(warning=True) for problem in _warnings(found, at)]
    lines = [problem.text(found.file) for problem in sorted([*problems, *warnings])]
    return [*found.warnings, *dict.fromkeys(lines)]


_At = Callable[[Where, str], Problem]


def _tables(found: Draft) -> Iterator[tuple[Where, Table]]:
    for index, entry in enumerate(found.pipeline.steps):
        config = entry.config
        if not isinstance(config, ApiExtractor):
            continue
        for number, table in enumerate(config.tables):
            yield ("steps", index, "config", "tables", number, "table"), table
        if config.destination is not None:
            yield (
                ("steps", index, "config", "destination", "table"),
                legacy_table(config.destination, config.transform),
            )


def _table_problems(table: Table, capabilities: Capabilities | None) -> Iterator[str]:
    if table.table.lower().startswith(ENGINE_PREFIX):
        yield f"names that begin with {ENGINE_PREFIX} are the engine's own: choose another"
    if capabilities is None:
        return
    try:
        table_specs([table], capabilities.fold)
    except PipelineFileError as error:
        yield from error.problems
    if table.disposition not in capabilities.dispositions:
        can = ", ".join(sorted(capabilities.dispositions))
        yield f"this destination cannot write: {table.disposition} (it can: {can})"
    elif table.key and not capabilities.keys:
        yield "this destination does not find rows by a key: leave the key out, or write to a database"
    limits = capabilities.limits
    columns = declared_columns(table)
    if limits.max_columns is not None and len(columns) > limits.max_columns:
        yield f"{len(columns)} columns: this destination takes {limits.max_columns}"
    for name in columns:
        if capabilities.fold(name) in limits.own_columns:
            yield f"every table of this destination has a column {name!r} of its own: choose another name"
    longest = max(len(suffix) for suffix in COMPANIONS)
    for name, room in [(table.table, longest), *((column, 0) for column in columns)]:
        if limits.max_name is not None and len(name.encode()) > limits.max_name - room:
            more = f" with room for {max(COMPANIONS, key=len)}" if room else ""
            yield f"the name {name!r} is too long: this destination takes {limits.max_name} bytes{more}"


def _name_problems(table: str, capabilities: Capabilities | None) -> Iterator[str]:
    """What is wrong with the name of a table that a SQL step makes."""
    if table.lower().startswith(ENGINE_PREFIX):
        yield f"names that begin with {ENGINE_PREFIX} are the engine's own: choose another"
    longest = capabilities.limits.max_name if capabilities is not None else None
    if longest is not None and len(table.encode()) > longest:
        yield f"the name {table!r} is too long: this destination takes {longest} bytes"


def _names(found: Draft, capabilities: Capabilities | None, at: _At) -> Iterator[Problem]:
    """Tables that would meet under one name: as the destination folds it, or with what belongs to another.
    Some keep the case of a name and still take two for one, so case tells no names apart anywhere."""

    def fold(name: str) -> str:
        return (capabilities.fold(name) if capabilities else name).casefold()

    taken: dict[str, tuple[str, str]] = {}
    written: list[tuple[Where, str, str]] = []
    for where, table in _tables(found):
        written.append((where, table.table, "table"))
        if table.staging:
            written.append(((*where[:-1], "staging"), table.staging, "staging table"))
    for index, entry in enumerate(found.pipeline.steps):
        config = entry.config
        if isinstance(config, Source) and isinstance(config.raw, Raw):
            name = config.raw.table or f"{entry.step}_raw_pages"
            written.append((("steps", index, "config", "raw", "table"), name, "raw table"))
        if isinstance(config, SqlTransformer):
            written.append((("steps", index, "config", "destination_table"), config.destination_table, "SQL table"))
        if isinstance(config, StageLoader):
            for number, loaded in enumerate(config.tables):
                written.append((("steps", index, "config", "tables", number), loaded.into or loaded.table, "table"))
        if isinstance(config, QualityChecks):
            written.append((("steps", index, "config", "results"), config.results, "table of results"))
            if config.keep is not None:
                written.append((("steps", index, "config", "keep"), config.keep.table, "table of failing rows"))
    for where, name, what in written:
        other, kind = taken.setdefault(fold(name), (name, what))
        if kind != what:
            yield at(where, f"the {what} {name!r} would meet the {kind} {other!r}")
        elif other != name:
            yield at(where, f"{other!r} and {name!r} are one {what} in this destination")
    for where, name, what in written:
        for suffix in COMPANIONS if what == "table" else ():
            if fold(name + suffix) in taken:
                other, kind = taken[fold(name + suffix)]
                yield at(where, f"the {kind} {other!r} has the name that Headrace needs beside {name!r}")


def _warnings(found: Draft, at: _At) -> Iterator[Problem]:
    known = {*found.inputs, *found.names.environment, *OF_THE_RUN}
    for index, entry in enumerate(found.pipeline.steps):
        config = entry.config
        path: Where = ("steps", index, "config")
        if isinstance(config, Source):
            if config.raw is False:
                yield at(
                    (*path, "raw"),
                    "without the archive of answers there is no replay, no why, and no change of tables without "
                    "crawling again",
                )
            for block in ("headers", "params"):
                for key, value in getattr(config, block).items():
                    if spells_out(key, value):
                        yield at(
                            (*path, block, key),
                            "a credential in the file: use auth with a provider, or {env.NAME}",
                        )
        data: Any = found.shaped.data["steps"][index]["config"]
        templated = {where for pattern in config.templated for where, _ in texts(data, tuple(pattern.split(".")), path)}
        for where, text in texts(data, (), path):
            if where[-2:] != ("graphql", "query") and (other := _OTHER_VARIABLES.search(text)):
                yield at(
                    where,
                    f"{other[0]} is of another language: write {{env.NAME}} for an environment variable, {{name}} else",
                )
            used = [name for name in names(text) if name.split(".")[0] in known or name.startswith(("env.", "steps."))]
            if used and where not in templated and where[-2:] != ("graphql", "query"):
                yield at(where, f"{{{used[0]}}} stays as it is: variables are not replaced here")
