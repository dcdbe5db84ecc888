"""``headrace credentials``."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from headrace.cli import _options
from headrace.core.errors import UsageError

if TYPE_CHECKING:
    from headrace.credentials import Credential

F = TypeVar("F", bound=Callable[..., Any])
_LONGEST = 1 << 20


class _NoValue(click.Command):
    """A command whose arguments hold no value: one that is given anyway is not repeated on the screen."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        rest = super().parse_args(ctx, args)
        if ctx.args:
            raise UsageError(
                "a credential's value is never an argument: every process of this machine may see it",
                hint="give it at the prompt, on stdin, or with --file; and rotate the one that you wrote here",
            )
        return rest


@click.group("credentials")
def command() -> None:
    """Store, list, test, rotate and remove organisations' credentials.

    They are kept sealed in the state folder. A run of ORG finds one by `auth: {provider: PROVIDER}`. The value comes
    from a prompt, from stdin or from a file, never from an argument.
    """


def _named(f: F) -> F:
    return click.argument("org")(click.argument("provider")(f))


def _value_file(f: F) -> F:
    return click.option(
        "--file", "value_file", metavar="PATH", help="File that holds the value ('-': stdin); text or JSON."
    )(f)


def _rewritten(f: F) -> F:
    return click.option(
        "--rewrite", "rewrites", multiple=True, metavar="HOST=URL", help="Send the check to a stand-in instead of HOST."
    )(f)


_FREE = {"context_settings": {"allow_extra_args": True, "allow_interspersed_args": True}}


@command.command("set", cls=_NoValue, **_FREE)
@_named
@_value_file
@click.option("--host", "hosts", multiple=True, metavar="HOST", help="Host that it may be sent to; may be repeated.")
@click.option("--any-host", is_flag=True, help="It may be sent wherever a pipeline file says.")
@click.option("--check-url", default="", metavar="URL", help="Address that `test` and `rotate` ask to try it.")
@click.option(
    "--check-auth",
    default="bearer",
    metavar="TYPE[:NAME]",
    show_default=True,
    help="How the check is signed: bearer, basic, header:X-Api-Key, query:api_key, oauth2.",
)
@_options.state
@_options.as_json
def set_(
    org: str,
    provider: str,
    value_file: str | None,
    hosts: tuple[str, ...],
    any_host: bool,
    check_url: str,
    check_auth: str,
    state: Path | None,
    as_json: bool,
) -> int:
    """Store the credential of ORG for PROVIDER, in place of any before it."""
    from headrace import credentials

    if bool(hosts) == any_host:
        raise UsageError(
            "say where it may be sent: --host HOST (may be repeated), or --any-host",
            hint="such as --host api.hubapi.com; *.example.com is every host below example.com",
        )
    kept = credentials.store(
        org, provider, _value(value_file, org, provider), hosts=hosts, check_url=check_url,
        check_auth=_auth(check_auth), state=state,
    )  # fmt: skip
    return _said(kept, as_json, f"stored {kept.provider} of {kept.org}, version {kept.version}, for {_hosts(kept)}")


@command.command("list")
@click.argument("org", required=False)
@_options.state
@_options.as_json
def list_(org: str | None, state: Path | None, as_json: bool) -> int:
    """List what is stored, of ORG or of all; never a value."""
    from headrace import credentials
    from headrace.cli import _table
    from headrace.cli._times import utc

    found = credentials.list_all(org, state=state)
    if as_json:
        click.echo(json.dumps({"status": "ok", "credentials": [asdict(each) for each in found], "exit_code": 0}))
        return 0
    if not found:
        click.echo("no credential is stored" + (f" for {org}" if org else ""), err=True)
        return 0
    names = ("org", "provider", "version", "status", "hosts", "validity", "checked", "key")
    rows = [
        (
            c.org,
            c.provider,
            c.version,
            c.status,
            _hosts(c),
            c.validity,
            utc(c.checked_at) if c.checked_at else "",
            c.key,
        )
        for c in found
    ]
    for line in _table.table(names, rows, width=_table.terminal_width()):
        click.echo(line)
    return 0


@command.command("test")
@_named
@_rewritten
@_options.state
@_options.as_json
def test(org: str, provider: str, rewrites: tuple[str, ...], state: Path | None, as_json: bool) -> int:
    """Open the credential and try it: valid (exit 0), invalid (exit 1) or unknown (exit 3)."""
    from headrace import credentials

    outcome = credentials.test(org, provider, rewrite=_options.pairs(rewrites, "--rewrite"), state=state)
    code = {"valid": 0, "invalid": 1, "unknown": 3}[outcome.validity]
    if as_json:
        click.echo(json.dumps({"status": outcome.validity, "why": outcome.why, "exit_code": code}))
    else:
        click.echo(f"{outcome.validity}{': ' if outcome.why else ''}{outcome.why}")
    return code


@command.command("rotate", cls=_NoValue, **_FREE)
@_named
@_value_file
@click.option("--no-check", is_flag=True, help="Put the new one in force without trying it.")
@_rewritten
@_options.state
@_options.as_json
def rotate(
    org: str,
    provider: str,
    value_file: str | None,
    no_check: bool,
    rewrites: tuple[str, ...],
    state: Path | None,
    as_json: bool,
) -> int:
    """Replace the credential; the old one stays in force until the new one has passed its check."""
    from headrace import credentials

    kept = credentials.rotate(
        org, provider, _value(value_file, org, provider), check=not no_check,
        rewrite=_options.pairs(rewrites, "--rewrite"), state=state,
    )  # fmt: skip
    tried = "its check passed" if kept.validity == "valid" else "untried"
    return _said(kept, as_json, f"{kept.provider} of {kept.org} is now version {kept.version} ({tried})")


@command.command("remove")
@_named
@_options.confirmed
@_options.state
@_options.as_json
def remove(org: str, provider: str, yes: bool, state: Path | None, as_json: bool) -> int:
    """Delete the credential and the tokens made from it. Revoke it at the API as well."""
    from headrace import credentials

    if not yes:
        if not sys.stdin.isatty():
            raise UsageError("this deletes a credential: say --yes", hint="nobody is there to be asked")
        if not click.confirm(f"Delete {provider.upper()} of {org}?", err=True):
            click.echo("nothing is deleted", err=True)
            return 0
    credentials.remove(org, provider, state=state)
    if as_json:
        click.echo(json.dumps({"status": "removed", "org": org, "provider": provider.upper(), "exit_code": 0}))
    else:
        click.echo(f"removed {provider.upper()} of {org}")
    return 0


def _value(value_file: str | None, org: str, provider: str) -> str:
    """The value that is given; never repeated in a message."""
    from headrace.cli._secrets import prompt
    from headrace.secrets.files import read_text

    if value_file is not None and value_file != "-":
        return read_text(Path(value_file), "file", lambda text: click.echo(f"warning: {text}", err=True))
    ask = prompt() if value_file is None else None
    if ask is not None:
        return ask(f"Credential {provider.upper()} of {org}: ") or ""
    try:
        return sys.stdin.buffer.read(_LONGEST).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError("the value on stdin is not UTF-8 text") from None


def _auth(text: str) -> dict[str, Any]:
    kind, _, name = text.partition(":")
    return {
        "type": kind,
        **({{"header": "header_name", "query": "param_name"}.get(kind, "name"): name} if name else {}),
    }


def _hosts(kept: Credential) -> str:
    return ", ".join(kept.hosts) or "any host"


def _said(kept: Credential, as_json: bool, text: str) -> int:
    click.echo(json.dumps({**asdict(kept), "exit_code": 0}) if as_json else text)
    return 0
