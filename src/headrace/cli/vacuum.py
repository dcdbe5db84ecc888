"""``headrace vacuum``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from headrace.cli import _options


@click.command("vacuum")
@_options.destination
@_options.state
@_options.as_json
def command(destination: str | None, state: Path | None, as_json: bool) -> int:
    """Give the bytes of deleted rows and bodies back to the disk."""
    from headrace.cli import _database

    target = _database.resolve(destination, state)
    path = getattr(target, "path", None)
    before = _size(path)
    with _database.opened(target, state, read_only=False) as session:
        session.vacuum()
    after = _size(path)
    if as_json:
        click.echo(json.dumps({"status": "done", "bytes_before": before, "bytes_after": after, "exit_code": 0}))
    elif before is None or after is None:
        click.echo(f"{target.url}: done")
    else:
        click.echo(f"{target.url}: {before:,} bytes before, {after:,} now")
    return 0


def _size(path: str | None) -> int | None:
    return Path(path).stat().st_size if path is not None and Path(path).exists() else None
