"""``headrace accept``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from headrace.cli import _options


@click.command("accept")
@click.argument("run_id")
@_options.destination
@_options.organisation
@_options.state
@_options.as_json
def command(run_id: str, destination: str | None, org: str | None, state: Path | None, as_json: bool) -> int:
    """Say that the suspect run RUN_ID was complete.

    Makes no request: replaced tables are exchanged, and rows that the run did not see count as missing.
    """
    from headrace.runner.accept import accept

    result = accept(run_id, destination=destination, org=org, state=state)
    if as_json:
        click.echo(json.dumps(result.as_dict(), default=str))
    else:
        click.echo(f"{run_id} is {result.status}")
    return result.exit_code
