"""``headrace raw``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from headrace.cli import _options


@click.command("raw")
@click.argument("run_id")
@click.option("--page", "number", type=click.IntRange(1), required=True, help="Number of the page, from 1.")
@click.option("--step", metavar="NAME", help="Step, where the run has several.")
@click.option("--slice", "part", metavar="NAME", help="Slice, where the step has several.")
@click.option("--headers", is_flag=True, help="Status, URL and kept headers first, as curl -i does.")
@_options.destination
@_options.state
def command(
    run_id: str,
    number: int,
    step: str | None,
    part: str | None,
    headers: bool,
    destination: str | None,
    state: Path | None,
) -> int:
    """Print a page of RUN_ID as the API sent it, byte for byte (your own secrets are masked)."""
    from headrace.cli import _database
    from headrace.cli._times import utc
    from headrace.inspect.archive import find_page, find_run

    target = _database.resolve(destination, state, run_id)
    with _database.opened(target, state) as session:
        _database.own_run(session, run_id)
        page = find_page(session, find_run(session, run_id, target.url), number, step=step, part=part)
    out = sys.stdout.buffer
    if headers:
        lines = [f"HTTP {page.status}", f"url: {page.url}", f"fetched-at: {utc(page.fetched_at)}"]
        lines += [f"{name}: {value}" for name, value in json.loads(page.headers or "[]")]
        out.write("".join(f"{line}\n" for line in [*lines, ""]).encode("utf-8", "replace"))
    out.write(page.body)
    out.flush()
    return 0
