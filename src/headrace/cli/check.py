"""``headrace check``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from headrace.cli import _options

if TYPE_CHECKING:
    from headrace.core.contracts import Destination
    from headrace.pipeline.inputs import Input
    from headrace.pipeline.load import Draft


@click.command("check")
@click.argument("pipeline")
@_options.destination
@_options.as_json
def command(pipeline: str, destination: str | None, as_json: bool) -> int:
    """Read PIPELINE (a built-in's name or a YAML file) and report every problem at once.

    Asks no API and opens no database. With a destination, its limits are checked too.
    """
    from headrace.core.errors import PipelineFileError
    from headrace.pipeline.check import check_draft, is_warning
    from headrace.pipeline.load import draft

    found: Draft | None = None
    target: Destination | None = None
    try:
        found = draft(pipeline)
    except PipelineFileError as error:
        lines = error.problems
    else:
        target = _target(found, destination)
        lines = check_draft(found, target.capabilities() if target is not None else None)
    problems = [line for line in lines if not is_warning(line)]
    warnings = [line for line in lines if is_warning(line)]
    code = 2 if problems else 0
    if as_json:
        facts = {"problems": problems, "warnings": warnings, **(_facts(found, target) if found else {})}
        click.echo(json.dumps({"status": "failed" if problems else "ok", **facts, "exit_code": code}))
        return code
    for line in lines:
        click.echo(line)
    if problems or found is None:
        more = f" and {_count(len(warnings), 'warning')}" if warnings else ""
        click.echo(f"{pipeline}: {_count(len(problems), 'problem')}{more}")
        return code
    facts = _facts(found, target)
    where = f" -> {facts['destination']}" if facts["destination"] else ""
    more = f", {_count(len(warnings), 'warning')}" if warnings else ""
    click.echo(
        f"{found.file}: ok, {_count(facts['steps'], 'step')}, {_count(len(facts['tables']), 'table')}{where}{more}"
    )
    for name, needed in facts["inputs"].items():
        click.echo(f"  input --{name}  {needed}")
    for name in facts["credentials"]:
        click.echo(f"  credential {name}, from the environment, a secrets file or a prompt")
    for name in facts["environment"]:
        click.echo(f"  environment variable {name}")
    return code


def _target(found: Draft, given: str | None) -> Destination | None:
    """The destination whose limits count; ``None`` when only a run can tell which it is."""
    import os

    from headrace.core.templates import names
    from headrace.destinations import from_url
    from headrace.pipeline.load import DEFAULT_DESTINATION

    url = given or found.pipeline.destination
    if url is None:
        url = os.environ.get("HEADRACE_DESTINATION") or os.environ.get("DATABASE_URL") or DEFAULT_DESTINATION
    return None if any(names(url)) else from_url(url)


def _facts(found: Draft, target: Destination | None) -> dict[str, Any]:
    from headrace.inspect.steps import extract_steps, made_by_sql
    from headrace.secrets.resolve import _variables as variables  # the names that the error of a missing one lists

    tables: list[str] = []
    credentials: dict[str, None] = {}
    for config in extract_steps(found.pipeline).values():
        tables += [table.table for table in config.tables]
        tables += [config.destination.table] if config.destination is not None else []
        reference = config.auth.credential() if config.auth is not None else None
        if reference is not None:
            credentials |= dict.fromkeys(variables(reference)[:1])
    tables += made_by_sql(found.pipeline)
    inputs = {name: ", ".join(_described(spec)) for name, spec in found.inputs.items()}
    return {
        "steps": len(found.pipeline.steps),
        "tables": tables,
        "destination": getattr(target, "type", ""),
        "inputs": inputs,
        "credentials": list(credentials),
        "environment": list(found.names.env),
    }


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _described(spec: Input) -> Iterator[str]:
    from headrace.core.templates import as_text

    yield spec.type
    if spec.needed:
        yield "required"
    else:
        yield f"default {as_text(spec.default)}" if spec.default is not None else "optional"
    if spec.choices:
        yield f"one of {as_text(spec.choices)}"
