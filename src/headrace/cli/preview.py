"""``headrace preview``."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headrace.cli import _options, _secrets
from headrace.core.errors import InputError

if TYPE_CHECKING:
    from headrace.inspect.preview import Preview

BODY_LINES = 20
LINE = 160


@click.command("preview", context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
@_options.pipeline_choices
@click.option("--step", metavar="NAME", help="This extract step (default: the first).")
@click.option("--rows", type=click.IntRange(0), default=5, show_default=True, help="Rows shown of each table.")
@click.option("--lines", type=click.IntRange(0), default=BODY_LINES, show_default=True, help="Lines shown of the body.")
@_options.destination
@_options.rewrites
@_options.secrets_file
@_options.state
@_options.as_json
@click.pass_context
def command(
    ctx: click.Context,
    pipeline: str,
    params: tuple[str, ...],
    step: str | None,
    rows: int,
    lines: int,
    destination: str | None,
    org: str | None,
    env: str | None,
    rewrites: tuple[str, ...],
    secrets_file: Path | None,
    state: Path | None,
    as_json: bool,
) -> int:
    """Fetch one page of PIPELINE; show the request, the answer and the rows.

    Writes nothing: no table, no archive, no state (an OAuth2 token that was renewed on the way is kept).
    Secrets are hidden in what is shown.
    """
    from headrace.destinations import from_url
    from headrace.inspect.preview import preview
    from headrace.pipeline.load import load

    _options.check_order(pipeline)
    try:
        given = _options.inputs(params, ctx.args)
        loaded = load(pipeline, params=given, env=env, org=org, destination=destination)
    except InputError as error:
        raise _options.misspelt(error, ctx) from None
    with _secrets.opened(loaded, secrets_file, state) as (find_secret, tokens):
        page = preview(
            loaded,
            destination=from_url(loaded.destination),
            find_secret=find_secret,
            step=step,
            rewrite=_options.pairs(rewrites, "--rewrite"),
            tokens=tokens,
            rows=rows,
        )
    if as_json:
        code = page.error.exit_code if page.error is not None else 0
        click.echo(json.dumps({**_document(page), "exit_code": code}, default=str))
        return code
    return show(page, lines)


def show(page: Preview, lines: int) -> int:
    """Print a preview, with so many lines of the body; its exit code."""
    for line in _lines(page, lines):
        click.echo(line)
    if page.error is None:
        return 0
    click.echo(f"error: {page.error}", err=True)
    return page.error.exit_code


def _lines(page: Preview, lines: int) -> Iterator[str]:
    from headrace.cli import _table

    width = _table.terminal_width()
    part = f", slice {page.slice}" if page.slice else ""
    if page.request is not None:
        yield f"REQUEST  (step {page.step}{part})"
        yield f"  {page.request.method} {_table.printable(page.request.url)}"
        yield from (f"  {name}: {_table.printable(value)}" for name, value in page.request.headers)
        if page.request.body:
            yield ""
            yield from (f"  {_cut(line)}" for line in page.request.body.splitlines())
        yield ""
    yield from (f"  {note}" for note in page.notes)
    if page.response is not None:
        answer = page.response
        yield f"ANSWER  {answer.status}, {len(answer.body):,} bytes in {answer.elapsed:.2f} s"
        yield from (f"  {name}: {_cut(_table.printable(value))}" for name, value in answer.headers)
        if answer.masked:
            yield f"  (a secret stood in it {answer.masked} times and is shown as ***)"
        yield ""
        yield from _body(answer.body, lines)
        yield ""
    if page.error is not None:
        return
    yield f"ROWS  from {page.records:,} records"
    for table in page.tables:
        rejected = f", {len(table.rejected)} rejected" if table.rejected else ""
        yield f"  {table.name}: {table.count:,} rows{rejected}"
        if table.rows:
            yield from _table.table(list(table.columns), table.rows, width=width or 140, indent="    ")
        yield from (f"    record {number} is rejected: {reason}" for number, reason in table.rejected[:5])
    yield ""
    yield f"NEXT  {'goes on' if page.goes_on else 'stops here'}: {page.why}"
    if page.goes_on:
        yield f"  next cursor: {_cut(json.dumps(page.next_cursor, ensure_ascii=False))}"
        if page.total is not None and page.records:
            yield f"  {page.total:,} records in all: about {-(-page.total // page.records):,} pages like this one"
    for seen, remedy in page.doubts:
        yield f"  suspicious: {seen}\n    remedy: {remedy}"


def _body(body: bytes, lines: int) -> Iterator[str]:
    """The first lines of the body; JSON on few lines is indented, its values as they stand."""
    from headrace.cli._table import printable

    if not body:
        yield "  (empty)"
        return
    text = body.decode("utf-8", "replace")
    if text.lstrip()[:1] in ("{", "[") and text.count("\n") < 5:
        import msgspec

        with contextlib.suppress(msgspec.DecodeError):
            text = msgspec.json.format(body, indent=2).decode("utf-8", "replace")
    found = text.splitlines()
    yield from (f"  {_cut(printable(line))}" for line in found[:lines])
    if len(found) > lines:
        yield f"  … {len(found) - lines:,} more lines"


def _cut(text: str) -> str:
    return text if len(text) <= LINE else text[: LINE - 1] + "…"


def _document(page: Preview) -> dict[str, Any]:
    request, answer = page.request, page.response
    return {
        "status": "failed" if page.error is not None else "ok",
        "step": page.step,
        "slice": page.slice,
        "request": request and {
            "method": request.method, "url": request.url, "headers": dict(request.headers), "body": request.body,
        },
        "answer": answer and {
            "status": answer.status, "headers": dict(answer.headers), "bytes": len(answer.body),
            "seconds": answer.elapsed, "body": answer.body.decode("utf-8", "replace"),
        },
        "records": page.records,
        "tables": [
            {
                "table": t.name, "rows": t.count, "columns": dict(t.columns), "rejected": list(t.rejected),
                "first": [dict(zip(t.columns, row, strict=True)) for row in t.rows],
            }
            for t in page.tables
        ],
        "goes_on": page.goes_on,
        "next_cursor": page.next_cursor,
        "why": page.why,
        "total": page.total,
        "suspicions": list(page.doubts),
        "error": str(page.error) if page.error is not None else "",
    }  # fmt: skip
