"""``headrace new``."""

from __future__ import annotations

import re
from pathlib import Path

import click

from headrace.core.errors import UsageError


@click.command("new")
@click.argument("file", default="pipeline.yml", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--from", "source", metavar="NAME", help="Start from a built-in pipeline, such as hubspot.")
def command(file: Path, source: str | None) -> int:
    """Write a commented pipeline to FILE (default: pipeline.yml), to start from. Overwrites nothing."""
    from headrace.pipeline.template import template

    text = template() if source is None else _built_in(source)
    name = re.sub(r"[^\w.-]", "-", file.stem)
    if re.fullmatch(r"\w[\w.-]*", name):
        text = text.replace("pipeline_id: my-api", f"pipeline_id: {name}")
    try:
        with file.open("x", encoding="utf-8") as out:
            out.write(text)
    except FileExistsError:
        raise UsageError(
            f"{file} is there already", hint=f"name another file: headrace new {file.stem}-2.yml"
        ) from None
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror or error}") from None
    click.echo(f"Wrote {file}. Edit it, then:")
    click.echo(f"  headrace check {file}      every mistake, with its place")
    click.echo(f"  headrace preview {file}    one page: the request, the answer, the rows")
    click.echo(f"  headrace run {file}")
    return 0


def _built_in(name: str) -> str:
    from headrace import pipelines
    from headrace.core.suggest import did_you_mean

    try:
        return pipelines.read(name).decode()
    except KeyError:
        names = pipelines.names()
        raise UsageError(
            f"--from {name}: there is no such pipeline{did_you_mean(name, names)}",
            hint=f"there are: {', '.join(names)}",
        ) from None
