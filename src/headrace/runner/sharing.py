"""Tables that several organisations write: allowed where no row of one can meet a row of another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from headrace.core.contracts import Session
from headrace.core.errors import RunRefused
from headrace.mapping.config import Table
from headrace.mapping.spec import declared_columns, legacy_table
from headrace.pipeline.load import from_resolved
from headrace.pipeline.model import PipelineStep
from headrace.steps.generic.api_extractor import ApiExtractor

_OTHERS = "SELECT min(run_id) AS run_id FROM headrace_runs WHERE org <> ? GROUP BY pipeline, mapping_hash"


@dataclass(frozen=True, slots=True)
class _Written:
    """A table that a step writes; ``why`` says how it could harm another organisation's rows, if it could."""

    name: str
    why: str


def check_shared_tables(session: Session, org: str, steps: Sequence[PipelineStep]) -> None:
    """Raises RunRefused when a step of ``org`` would write a table in which it could change or hide the rows of
    another organisation."""
    mine = [table for entry in steps for table in _written(entry.config)]
    harmful = {_folded(table.name): table for table in mine if table.why}
    if not harmful or not session.runs(limit=1):
        return
    ids = [str(row["run_id"]) for batch in session.query(_OTHERS, (org,)) for row in batch.to_pylist()]
    for run_id in ids:
        other = session.run(run_id)
        if other is None:
            continue
        for entry in from_resolved(other.resolved).steps:
            for table in _written(entry.config):
                if met := harmful.get(_folded(table.name)):
                    raise RunRefused(
                        f"table {met.name} holds rows of another organisation, and {met.why}",
                        hint="add a column org_slug: {value: '{org_slug}'} to the table and to its key, or give each "
                        "organisation a destination of its own",
                    )


def _written(config: Any) -> Iterator[_Written]:
    if isinstance(config, ApiExtractor):
        tables = config.tables or ([legacy_table(config.destination, config.transform)] if config.destination else [])
        yield from (_Written(table.table, _harm(table)) for table in tables)
    elif isinstance(name := getattr(config, "destination_table", None), str):
        appends = getattr(config, "write", "overwrite") == "append"
        yield _Written(name, "" if appends else "this step writes it anew")


def _harm(table: Table) -> str:
    if table.disposition in ("replace", "sync"):
        return f"write: {table.disposition} is about the whole table"
    columns = declared_columns(table)
    of_org = any(name in columns and columns[name].value == "{org_slug}" for name in table.key)
    return "" if of_org or not table.key else "its key does not tell organisations apart"


def _folded(name: str) -> str:
    return name.casefold()
