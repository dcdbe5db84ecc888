"""Options that several commands share."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from headrace.core.errors import InputError, UsageError
from headrace.core.suggest import did_you_mean

F = TypeVar("F", bound=Callable[..., Any])


def destination(f: F) -> F:
    return click.option("--destination", metavar="URL", help="Database, such as duckdb:///my.duckdb.")(f)


def state(f: F) -> F:
    return click.option(
        "--state",
        type=click.Path(path_type=Path, file_okay=False),
        help="Folder of runs, progress and tokens (default: .headrace here, or the user's state folder).",
    )(f)


def organisation(f: F) -> F:
    """On whose behalf a command about runs is given."""
    return click.option(
        "--org", metavar="SLUG", help="Know only this organisation's runs; default HEADRACE_ORG, else all."
    )(f)


def pipeline_choices(f: F) -> F:
    """Which file, with which inputs, in which environment."""
    for option in (
        click.option("--env", metavar="NAME", help="Environment of the file (dev, prod, ...)."),
        click.option("--org", metavar="SLUG", help="Organisation; default HEADRACE_ORG, else `default`."),
        click.option(
            "--param", "params", multiple=True, metavar="NAME=VALUE",
            help="Input of the pipeline; each is an option of its own too, such as --country de.",
        ),
    ):  # fmt: skip
        f = option(f)
    return click.argument("pipeline")(f)


def rewrites(f: F) -> F:
    return click.option(
        "--rewrite", "rewrites", multiple=True, metavar="HOST=URL",
        help="Send a host's requests to another base URL, such as a sandbox.",
    )(f)  # fmt: skip


def secrets_file(f: F) -> F:
    return click.option(
        "--secrets-file",
        type=click.Path(path_type=Path, dir_okay=False),
        help="File of secrets (TOML or NAME=value lines).",
    )(f)


def requests(f: F) -> F:
    """How requests leave."""
    offline = click.option("--offline", is_flag=True, help="Use only answers that an earlier call kept.")
    return secrets_file(rewrites(offline(f)))


def as_json(f: F) -> F:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")(f)


def confirmed(f: F) -> F:
    return click.option("-y", "--yes", is_flag=True, help="Do not ask.")(f)


def output(f: F) -> F:
    """How progress, logs and the summary are shown."""
    for option in (
        click.option("-v", "--verbose", count=True, help="Log each state change; -vv each request."),
        click.option(
            "--log-format", type=click.Choice(["console", "json"]), default="console",
            help="How log lines are written (json implies -v).",
        ),
        click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON on stdout."),
        click.option(
            "--progress", type=click.Choice(["auto", "plain", "none"]), default="auto", help="How progress is shown."
        ),
    ):  # fmt: skip
        f = option(f)
    return f


def again(rewrites: tuple[str, ...], secrets_file: Path | None, state: Path | None) -> str:
    """The options that going on with a run needs as well, as they were written; with a blank before them."""
    words = [f"--rewrite {shlex.quote(text)}" for text in rewrites]
    words += [f"--secrets-file {shlex.quote(str(secrets_file))}"] if secrets_file else []
    words += [f"--state {shlex.quote(str(state))}"] if state else []
    return "".join(f" {word}" for word in words)


def pairs(given: tuple[str, ...], option: str) -> dict[str, str]:
    """``("a=1", "b=2")`` as a mapping. Raises UsageError."""
    found: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            form = "HOST=URL" if option == "--rewrite" else "name=value"
            raise UsageError(f"{option} {text!r}: write {option} {form}")
        found[name] = value
    return found


def inputs(params: tuple[str, ...], extra: list[str]) -> dict[str, Any]:
    """Inputs from ``--param name=value`` and from options named after them (``--country us``,
    ``--country=us``, ``--dry`` for true). Raises UsageError."""
    found: dict[str, Any] = dict(pairs(params, "--param"))
    rest = list(extra)
    while rest:
        option = rest.pop(0)
        if not option.startswith("--") or option == "--":
            raise UsageError(f"unexpected argument {option!r}", hint="inputs are written --name value")
        name, equals, value = option[2:].partition("=")
        if not equals:
            value = rest.pop(0) if rest and not rest[0].startswith("--") else "true"
        found[name.replace("-", "_")] = value
    return found


def misspelt(error: InputError, ctx: click.Context) -> InputError:
    """``error``, with the option that an unknown input may have been meant to be."""
    unknown = re.match(r"unknown input '([^']*)'", error.message)
    if unknown is None:
        return error
    options = [text for parameter in ctx.command.params for text in parameter.opts if text.startswith("--")]
    inputs_ = [f"--{name}" for name in error.hint.removeprefix("inputs: ").split(", ")]
    wanted = "--" + unknown[1].replace("_", "-")
    meant = did_you_mean(wanted, [*inputs_, *options])
    if not meant:
        return error
    return InputError(
        f"no option {wanted}, and no input of that name{meant}", hint=f"{error.hint}; options: headrace run --help"
    )


def check_order(pipeline: str) -> None:
    """An input given before PIPELINE would take its place. Raises UsageError."""
    if pipeline.startswith("-"):
        raise UsageError(
            f"{pipeline} stands where the pipeline should", hint="inputs come behind it: headrace run sapi --country de"
        )
