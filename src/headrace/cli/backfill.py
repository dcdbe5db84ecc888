"""``headrace backfill``."""

from __future__ import annotations

from pathlib import Path

import click

from headrace.cli import _options, _secrets
from headrace.core.errors import InputError


@click.command("backfill", context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
@_options.pipeline_choices
@click.option("--from", "start", required=True, metavar="DATE", help="Begin of the span, such as 2026-01-01.")
@click.option("--to", "end", required=True, metavar="DATE", help="Its end, which is not asked for itself.")
@click.option("--window", metavar="STEP", help="Length of a window: 6h, 1d, 2w, 1m (default: the file's, else 1d).")
@_options.destination
@click.option("--run-id", metavar="ID", help="Name of the run; one that exists is resumed.")
@click.option("--step", "steps", multiple=True, metavar="NAME", help="Only this step (repeat for several).")
@_options.requests
@_options.state
@_options.output
@click.pass_context
def command(
    ctx: click.Context,
    pipeline: str,
    params: tuple[str, ...],
    start: str,
    end: str,
    window: str | None,
    destination: str | None,
    run_id: str | None,
    steps: tuple[str, ...],
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
    """Ask PIPELINE again for a span of time, window by window.

    Each window is a slice with its own checkpoint: a backfill that was killed goes on with `headrace resume`,
    and one of many that failed is asked again alone. The mark of incremental runs stays where it is.

    \b
    headrace backfill my.yml --from 2025-01-01 --to 2026-01-01 --window 1m
    """
    from headrace.cli import _report
    from headrace.runner.backfill import backfill

    given = _options.inputs(params, ctx.args)
    again = _options.again(rewrites, secrets_file, state)
    with _report.showing(progress, as_json, log_format, verbose, state, again) as report:
        try:
            result = backfill(
                pipeline,
                start,
                end,
                step=window,
                params=given,
                destination=destination,
                run_id=run_id,
                steps=steps,
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
