"""The group of commands: each is a module of this package, imported when it is asked for."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click

from headrace._version import __version__
from headrace.cli._failure import guarded
from headrace.core.suggest import did_you_mean

COMMANDS: dict[str, str] = {
    "run": "Crawl a pipeline into a database, or go on with a run.",
    "resume": "Go on with a run from its last commit.",
    "backfill": "Ask again for a span of time, window by window.",
    "check": "Read a pipeline file and report every problem.",
    "preview": "Fetch one page and show request, answer and rows; writes nothing.",
    "plan": "Show what a run would ask, write and compare.",
    "new": "Write a commented pipeline file to start from.",
    "runs": "List runs.",
    "status": "Show how far a run is.",
    "raw": "Print an archived answer, byte for byte.",
    "why": "Show the request, the answer and the bytes that made a row.",
    "query": "Run a read-only SQL query on the destination.",
    "replay": "Rebuild tables from the archive, without one request.",
    "removals": "List, confirm or reject rows that are gone.",
    "accept": "Accept a suspect run as complete.",
    "credentials": "Store, test, rotate and remove organisations' credentials.",
    "schema": "Print the JSON Schema of pipeline files, or a table's history.",
    "purge": "Delete archived answers or removed rows.",
    "vacuum": "Give deleted bytes back to the disk.",
    "serve": "Serve pipelines over HTTP, with live progress.",
    "sandbox": "Serve stand-ins of APIs, with faults to switch on.",
}
"""Every command with its line in ``--help``; the module of the same name has ``command``."""


class Commands(click.Group):
    """Imports a command's module when the command is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"headrace.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise click.UsageError(f"no such command {args[0]!r}{did_you_mean(args[0], COMMANDS)}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="headrace")
def cli() -> None:
    """Headrace carries data from web APIs into a database and never loses its place.

    \b
    Try it without an API: headrace sandbox        (in one terminal; it prints what to run in another)
    Your own API:          headrace new my.yml     (then: check, preview, run)

    Exit codes: 0 done, 1 failed, 2 bad use or file, 3 partial or suspect, 4 a replay --plan
    that finds a difference, 130 interrupted.
    """


def start() -> None:
    """Run the command line and exit with its code."""
    arguments = sys.argv[1:]
    facts: dict[str, Any] = {}
    sys.exit(
        guarded(lambda: cli.main(arguments, prog_name="headrace", standalone_mode=False, obj=facts), arguments, facts)
    )
