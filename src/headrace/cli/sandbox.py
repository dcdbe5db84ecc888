"""``headrace sandbox``."""

from __future__ import annotations

import click


@click.command(
    "sandbox",
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []},
)
@click.pass_context
def command(ctx: click.Context) -> int:
    """Serve stand-ins of APIs on this machine."""
    from headrace.sandbox.__main__ import main

    main(ctx.args)
    return 0
