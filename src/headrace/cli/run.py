"""``headrace run``."""

from __future__ import annotations

from pathlib import Path

import click

from headrace.cli import _options, _secrets
from headrace.core.errors import InputError


@click.command("run", context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
@_options.pipeline_choices
@_options.destination
@click.option("--run-id", metavar="ID", help="Name of the run; one that exists is resumed.")
@click.option("--max-pages", type=click.IntRange(1), help="Pause after this many pages of each stream (exit code 3).")
@click.option("--step", "steps", multiple=True, metavar="NAME", help="Only this step (repeat for several).")
@click.option("--from-step", metavar="NAME", help="This step and those after it.")
@click.option("--restart", is_flag=True, help="Begin a new run, whatever --run-id stands at.")
@click.option("--adopt", is_flag=True, help="Go on with a changed mapping.")
@_options.requests
@_options.state
@_options.output
@click.pass_context
def command(
    ctx: click.Context,
    pipeline: str,
    params: tuple[str, ...],
    destination: str | None,
    run_id: str | None,
    max_pages: int | None,
    steps: tuple[str, ...],
    from_step: str | None,
    restart: bool,
    adopt: bool,
    org: str | None,
    env: str | None,
    offline: bool,
    rewrites: tuple[str, ...],
    secrets_file: Path | None,
    state: Path | None,
    progress: str,
    as_json: bool,
    log_format: str,
    verbose: int,
) -> int:
    """Crawl PIPELINE (a built-in's name or a YAML file) into a database.

    Inputs of the pipeline are options too: --country de. `headrace check PIPELINE` lists them.

    Stop it with Ctrl-C, or let it be killed: the same --run-id, or `headrace resume`, goes on from the last
    commit. Credentials come from the environment (<PROVIDER>_API_KEY), a secrets file or a prompt, never from
    an argument.

    \b
    headrace run sapi --country de --max-pages 5
    headrace run my.yml --destination postgresql://me@db/warehouse
    """
    from headrace.cli import _report
    from headrace.runner.api import run

    _options.check_order(pipeline)
    given = _options.inputs(params, ctx.args)
    again = _options.again(rewrites, secrets_file, state)
    with _report.showing(progress, as_json, log_format, verbose, state, again) as report:
        try:
            result = run(
                pipeline,
                params=given,
                destination=destination,
                run_id=run_id,
                max_pages=max_pages,
                steps=steps,
                from_step=from_step,
                restart=restart,
                adopt=adopt,
                org=org,
                env=env,
                offline=offline,
                rewrite=_options.pairs(rewrites, "--rewrite"),
                secrets_file=secrets_file,
                prompt=_secrets.prompt(),
                state=state,
                sinks=report.sinks,
            )
        except InputError as error:
            raise _options.misspelt(error, ctx) from None
        report.finish(result)
    return result.exit_code
