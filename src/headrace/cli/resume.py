"""``headrace resume``."""

from __future__ import annotations

from pathlib import Path

import click

from headrace.cli import _options, _secrets


@click.command("resume")
@click.argument("run_id")
@_options.destination
@_options.organisation
@click.option("--max-pages", type=click.IntRange(1), help="Pause after this many further pages of each stream.")
@_options.requests
@_options.state
@_options.output
def command(
    run_id: str,
    destination: str | None,
    org: str | None,
    max_pages: int | None,
    offline: bool,
    rewrites: tuple[str, ...],
    secrets_file: Path | None,
    state: Path | None,
    progress: str,
    as_json: bool,
    log_format: str,
    verbose: int,
) -> int:
    """Go on with RUN_ID from its last commit, with the file and inputs that it began with."""
    from headrace.cli import _report
    from headrace.runner.api import resume

    again = _options.again(rewrites, secrets_file, state)
    with _report.showing(progress, as_json, log_format, verbose, state, again) as report:
        result = resume(
            run_id,
            destination=destination,
            org=org,
            max_pages=max_pages,
            offline=offline,
            rewrite=_options.pairs(rewrites, "--rewrite"),
            secrets_file=secrets_file,
            prompt=_secrets.prompt(),
            state=state,
            sinks=report.sinks,
        )
        report.finish(result)
    return result.exit_code
