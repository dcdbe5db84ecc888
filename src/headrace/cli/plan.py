"""``headrace plan``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from headrace.cli import _options
from headrace.core.errors import InputError

if TYPE_CHECKING:
    from headrace.inspect.plan import RunPlan, StepPlan


LONGEST = 110
"""Characters of a statement that are shown without --ddl."""


@click.command("plan", context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
@_options.pipeline_choices
@_options.destination
@click.option("--step", "steps", multiple=True, metavar="NAME", help="Only this step (repeat for several).")
@click.option("--from-step", metavar="NAME", help="This step and those after it.")
@click.option("--ddl", is_flag=True, help="Show every statement whole.")
@_options.as_json
@click.pass_context
def command(
    ctx: click.Context,
    pipeline: str,
    params: tuple[str, ...],
    destination: str | None,
    org: str | None,
    env: str | None,
    steps: tuple[str, ...],
    from_step: str | None,
    ddl: bool,
    as_json: bool,
) -> int:
    """Show what a run of PIPELINE would ask, write and compare; asks and writes nothing."""
    from headrace.inspect.plan import make_run_plan
    from headrace.inspect.steps import NOT_YET
    from headrace.runner.api import prepare

    _options.check_order(pipeline)
    try:
        given = _options.inputs(params, ctx.args)
        prepared = prepare(
            pipeline, run_id=NOT_YET, params=given, env=env, org=org, destination=destination, steps=steps,
            from_step=from_step,
        )  # fmt: skip
    except InputError as error:
        raise _options.misspelt(error, ctx) from None
    found = make_run_plan(prepared.job, prepared.destination)
    if as_json:
        click.echo(json.dumps({"status": "ok", **_document(found), "exit_code": 0}, default=str))
        return 0
    for line in _lines(found, 0 if ddl else LONGEST):
        click.echo(line)
    return 0


def _lines(plan: RunPlan, longest: int) -> Iterator[str]:
    from headrace.cli._times import utc
    from headrace.core.templates import as_text

    given = ", ".join(f"{name}={as_text(value)}" for name, value in plan.inputs.items())
    yield f"{plan.pipeline} -> {plan.destination} ({plan.database})"
    yield f"  scope      {plan.scope[:12]} ({given or 'no inputs'})"
    if plan.last is not None:
        pages = f"{plan.last.pages:,} pages, {plan.last.requests:,} requests"
        yield f"  last       {plan.last.run_id}, complete {utc(plan.last.finished_at)}: {pages}"
    else:
        yield "  last       no complete run of this scope yet"
    for step in plan.steps:
        yield ""
        yield from _step(step, longest)
    for made in plan.lineage:
        named = [f"{name} ({f'step {step}' if step else 'there already'})" for name, step in made.sources.items()]
        yield ""
        yield f"step {made.step}"
        yield f"  makes      {made.table} ({made.write}) from {', '.join(named) or 'nothing'}"
    if plan.others:
        yield ""
        yield f"  further steps: {', '.join(plan.others)}"


def _step(step: StepPlan, longest: int) -> Iterator[str]:
    from headrace.cli._table import printable

    yield f"step {step.step}"
    if step.request is not None:
        yield f"  first      {step.request.method} {printable(step.request.url)}"
        yield from (f"             {name}: {printable(value)}" for name, value in step.request.headers)
        yield from (f"             {line}" for line in step.request.body.splitlines())
    else:
        yield f"  first      known when the run is there: {step.unknown}"
    yield f"  paging     {step.paging}"
    yield f"  limits     {step.limits}"
    if step.slices:
        yield f"  slices     {step.slices}"
    if step.incremental:
        yield f"  since      {step.incremental}"
    yield f"  requests   {step.requests}"
    yield f"  archive    {step.archive or 'none (raw: false): no replay, no why'}"
    for table in step.tables:
        key = f" by {', '.join(table.spec.key)}" if table.spec.key else ""
        yield f"  table      {table.spec.name}: {table.spec.write}{key}; {table.state}"
        if table.removals:
            yield f"             removed: {table.removals}"
    if step.statements:
        yield "  DDL        before the first page" + (" (--ddl shows it whole)" if longest else "")
        yield from (
            f"    {text};" if not longest or len(text) < longest else f"    {text[:longest]}…"
            for text in step.statements
        )
    else:
        yield "  DDL        none: every table is there, or is files"


def _document(plan: RunPlan) -> dict[str, Any]:
    return {
        "pipeline": plan.pipeline,
        "destination": plan.destination,
        "database": plan.database,
        "scope": plan.scope,
        "inputs": plan.inputs,
        "last": plan.last and {"run_id": plan.last.run_id, "pages": plan.last.pages, "requests": plan.last.requests},
        "steps": [
            {
                **{name: getattr(step, name) for name in (
                    "step", "unknown", "paging", "limits", "slices", "incremental", "requests", "archive", "statements",
                )},
                "request": asdict(step.request) if step.request is not None else None,
                "tables": [
                    {
                        "table": t.spec.name, "write": t.spec.write, "key": list(t.spec.key), "state": t.state,
                        "removals": t.removals,
                    }
                    for t in step.tables
                ],
            }
            for step in plan.steps
        ],
        "others": list(plan.others),
        "lineage": [
            {
                "step": made.step, "table": made.table, "write": made.write,
                "from": [{"table": name, "step": step or None} for name, step in made.sources.items()],
            }
            for made in plan.lineage
        ],
    }  # fmt: skip
