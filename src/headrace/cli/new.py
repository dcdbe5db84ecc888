"""``headrace new``."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from headrace.core.errors import InputError, UsageError

if TYPE_CHECKING:
    from headrace.discover.asked import Asked, Raw
    from headrace.discover.openapi import Description

_ROWS, _LINES = 3, 8


@click.command("new")
@click.argument("file", default="pipeline.yml", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--from", "source", metavar="SOURCE",
    help="Start from a built-in pipeline (hubspot), or draft one from a URL, a curl command (in quotes, @file, or - for "
    "stdin), an OpenAPI document (file or URL), or a HAR file.",
)  # fmt: skip
@click.option(
    "--endpoint", metavar="PATH", help="Which list of an OpenAPI document or a HAR file; without it, all are listed."
)
@click.option("--ask", is_flag=True, help="Ask what to write; without a terminal, stdin has an answer a line.")
@click.option("--safe", is_flag=True, help="A POST in SOURCE only reads: it may be sent to find the paging out.")
def command(file: Path, source: str | None, endpoint: str | None, ask: bool, safe: bool) -> int:
    """Write a commented pipeline to FILE (default: pipeline.yml), to start from. Overwrites nothing.

    In a terminal, without --from, it asks what to write; `--from template` writes the commented template instead.
    From a URL or a curl command, a few requests find the records, their key and the paging; what was guessed says so
    in a comment, keys and tokens stay out of the file, and a preview of it is shown.
    """
    from headrace.discover.har import is_har

    if file.exists():
        raise _there(file)
    if endpoint is not None and source is None:
        raise UsageError("--endpoint needs --from", hint="name the OpenAPI document or the HAR file: --from FILE")
    if source is None and (ask or sys.stdin.isatty()):
        return _from_answers(file)
    if source is None:
        raise UsageError(
            "there is nothing to start from, and no terminal to ask at",
            hint="--from URL, a curl command, an OpenAPI document, a HAR file, or a built-in pipeline; --from template for "
            "the commented template; or --ask, with the answers on stdin",
        )
    if ask:
        raise UsageError("--ask and --from go not together", hint="leave one out")
    if is_har(source):
        return _from_har(file, Path(source), endpoint, safe)
    described = _described(source)
    if described is not None:
        return _from_description(file, described, endpoint)
    raw = _raw(source)
    if raw is not None and endpoint is not None:
        raise UsageError("--endpoint is for an OpenAPI document or a HAR file", hint="leave it out")
    if raw is not None:
        return _drafted(file, raw, safe)
    from headrace.pipeline.template import template

    text = template() if source == "template" else _built_in(source)
    name = _pipeline_id(file)
    if name is not None:
        text = text.replace("pipeline_id: my-api", f"pipeline_id: {name}")
    _write(file, text)
    click.echo(f"Wrote {file}. Edit it, then:")
    click.echo(f"  headrace check {file}      every mistake, with its place")
    click.echo(f"  headrace preview {file}    one page: the request, the answer, the rows")
    click.echo(f"  headrace run {file}")
    return 0


def _pipeline_id(file: Path) -> str | None:
    name = re.sub(r"[^\w.-]", "-", file.stem)
    return name if re.fullmatch(r"\w[\w.-]*", name) else None


def _there(file: Path) -> UsageError:
    return UsageError(f"{file} is there already", hint=f"name another file: headrace new {file.stem}-2.yml")


def _write(file: Path, text: str) -> None:
    try:
        with file.open("x", encoding="utf-8") as out:
            out.write(text)
    except FileExistsError:
        raise _there(file) from None
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror or error}") from None


def _raw(source: str) -> Raw | None:
    """The request that ``source`` gives; ``None`` where it names a built-in pipeline."""
    from headrace.discover.asked import Raw
    from headrace.discover.curl import is_curl, read_curl

    text = source
    if source == "-":
        text = sys.stdin.read()
    elif source.startswith("@"):
        try:
            text = Path(source[1:]).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            said = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise UsageError(f"--from {source}: the file cannot be read: {said}") from None
    text = text.strip()
    if is_curl(text):
        return read_curl(text)
    if re.match(r"https?://", text, re.IGNORECASE):
        return Raw(text)
    if source == "-" or source.startswith("@"):
        raise UsageError(
            f"--from {source}: there is neither a curl command nor a URL in it",
            hint="it begins with curl, http:// or https://",
        )
    return None


def _described(source: str) -> Description | None:
    """The API description that ``source`` names, if it has the look of one."""
    from headrace.discover.asked import Raw, part
    from headrace.discover.document import named_so, read_file, read_url
    from headrace.discover.openapi import Description

    if re.match(r"https?://", source, re.IGNORECASE):
        if not named_so(source):
            return None
        asked = part(Raw(source))
        return Description(read_url(asked), asked.url)
    if named_so(source) or source.lower().endswith(".json"):
        return Description(read_file(Path(source)), Path(source).name)
    return None


def _from_description(file: Path, described: Description, endpoint: str | None) -> int:
    from headrace.pipeline.load import load

    text = described.draft(endpoint)
    name = _pipeline_id(file)
    if name is not None:
        text = re.sub(r"(?m)^pipeline_id: .*$", f"pipeline_id: {name}", text, count=1)
    _write(file, text)
    click.echo(f"Wrote {file}: read its comments, they say what was guessed. Nothing was asked of the API yet:")
    try:
        load(file)
        inputs = ""
    except InputError:  # it has inputs, which only its user knows
        inputs = " --param NAME=VALUE"
    click.echo(f"  headrace check {file}")
    click.echo(f"  headrace preview {file}{inputs}")
    click.echo(f"  headrace run {file}{inputs}")
    return 0


def _drafted(file: Path, raw: Raw, safe: bool) -> int:
    from headrace.discover.asked import part
    from headrace.discover.endpoint import draft

    asked = part(raw, safe=safe)
    return _shown(file, draft(asked, "a request"), asked)


def _from_answers(file: Path) -> int:
    from headrace.cli._ask import Choices, Questions, request
    from headrace.discover.endpoint import draft, may_be_sent, unasked

    questions = Questions()
    asked, choices = request(questions), Choices(questions)
    if may_be_sent(asked) and questions.agreed("Ask the API now, with at most ten requests?", True):
        return _shown(file, draft(asked, "answers", choices=choices), asked)
    path = questions.ask("Path of the list in the answer (. is the root)", "data")
    paging, key = choices.style({"type": "none"}), choices.key("id", ())
    text = unasked(asked, "answers", "" if path == "." else path, paging, key)
    return _shown(file, text, asked, ask=False)


def _from_har(file: Path, har: Path, endpoint: str | None, safe: bool) -> int:
    from headrace.discover.endpoint import draft_of, may_be_sent
    from headrace.discover.har import choose, read_har

    text, asked = draft_of(choose(read_har(har), endpoint), har.name, safe=safe)
    return _shown(file, text, asked, ask=may_be_sent(asked))


def _shown(file: Path, text: str, asked: Asked, *, ask: bool = True) -> int:
    """Write a draft, and say what it needs; ``ask``: show its preview."""
    name = _pipeline_id(file)
    if name is not None:
        text = re.sub(r"(?m)^pipeline_id: .*$", f"pipeline_id: {name}", text, count=1)
    _write(file, text)
    click.echo(f"Wrote {file}: read its comments, they say what was guessed.")
    for note in asked.notes:
        click.echo(f"  {note}")
    if asked.secret is not None:
        click.echo(f"  The key is not in it: set {asked.provider}_API_KEY, or `headrace credentials set`.")
    for variable in asked.environ:
        click.echo(f"  Set {variable}: its value has the look of a secret, and is not in the file.")
    if not ask:
        click.echo("  Nothing was asked of the API. If the request only reads, see what comes:")
        click.echo(f"  headrace preview {file}")
        return 0
    click.echo("")
    code = _preview(file, asked)
    click.echo("")
    click.echo(f"  headrace run {file}")
    return code


def _preview(file: Path, asked: Asked) -> int:
    from headrace.cli.preview import show
    from headrace.core.contracts import CredentialRef, Secret
    from headrace.core.errors import SecretMissing
    from headrace.destinations import from_url
    from headrace.inspect.preview import preview
    from headrace.pipeline.load import load

    def find(reference: CredentialRef) -> Secret:
        if asked.secret is None:
            raise SecretMissing(f"no credential for {reference.provider}", place="auth")
        return asked.secret

    loaded = load(file, environ={**os.environ, **asked.environ})
    page = preview(loaded, destination=from_url(loaded.destination), find_secret=find, rows=_ROWS)
    return show(page, _LINES)


def _built_in(name: str) -> str:
    from headrace import pipelines
    from headrace.core.suggest import did_you_mean

    try:
        return pipelines.read(name).decode()
    except KeyError:
        names = pipelines.names()
        raise UsageError(
            f"--from {name}: there is no such pipeline{did_you_mean(name, names)}",
            hint=f"there are: {', '.join(names)}, template; or give a URL (https://…) or a curl command in quotes",
        ) from None
