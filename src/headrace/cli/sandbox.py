"""``headrace sandbox``."""

from __future__ import annotations

import argparse
import asyncio
from typing import Any

import click

from headrace.core.errors import UsageError

PORT = 8642
HOST = "streaming-availability.p.rapidapi.com"


@click.command("sandbox")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option("--port", type=click.IntRange(0, 65535), default=PORT, show_default=True, help="0 takes a free one.")
@click.option("--seed", type=int, default=1, show_default=True, help="Same seed and sizes, same data.")
@click.option(
    "--titles", type=click.IntRange(0), default=2000, show_default=True, help="Titles behind sapi and tvmaze."
)
@click.option(
    "--records", type=click.IntRange(0), default=1000, show_default=True, help="Records behind each /styles/…."
)
@click.option("--record-bytes", type=click.IntRange(0), default=0, help="Pad those to about this size.")
@click.option("--page-size", type=click.IntRange(1), help="Records a page, where the request does not say.")
@click.option("--latency", type=float, metavar="MS", help="Each answer comes this late.")
@click.option("--jitter", type=float, metavar="MS", default=0.0, help="With --latency: plus or minus.")
@click.option("--rate", type=float, metavar="N", help="Answer more than N requests a second with 429.")
@click.option("--burst", type=int, metavar="N", default=10, show_default=True, help="With --rate: the bucket's size.")
@click.option("--window", metavar="N/SECONDS", help="Answer more than N requests in SECONDS with 429, such as 20/10.")
@click.option("--fault", "faults", multiple=True, metavar="RULE", help="A fault's name, or a rule as JSON; repeatable.")
@click.option("--list-faults", is_flag=True, help="List the faults and what a correct client makes of them.")
def command(**given: Any) -> int:
    """Serve stand-ins of APIs on this machine, from generated data, until Ctrl-C.

    The first line is its URL. Any key is accepted. Faults can also be switched while it runs: POST /__faults;
    /__stats tells what it was asked.
    """
    from headrace.sandbox.__main__ import rules
    from headrace.sandbox.faults import FAULTS
    from headrace.sandbox.options import Options
    from headrace.sandbox.serve import serve

    if given["list_faults"]:
        width = max(map(len, FAULTS))
        for fault in FAULTS.values():
            click.echo(f"{fault.name:<{width}}  {fault.description}; {fault.because}")
        return 0
    try:
        asked = argparse.Namespace(**{**given, "fault": list(given["faults"])})
        wanted = ("seed", "titles", "records", "record_bytes", "page_size")
        options = Options(**{name: given[name] for name in wanted}, faults=tuple(rules(asked)))
        asyncio.run(serve(given["host"], given["port"], options=options, ready=_say))
    except OSError as error:
        raise UsageError(
            f"cannot listen at {given['host']}:{given['port']}: {error.strerror or error}",
            hint="--port 0 takes a free one",
        ) from None
    except ValueError as error:
        raise UsageError(f"{error}", hint="headrace sandbox --list-faults lists the faults") from None
    except KeyboardInterrupt:
        return 130
    return 0


def _say(url: str) -> None:
    click.echo(url)
    click.echo("Serving until Ctrl-C. In another terminal:")
    click.echo("  export SAPI_API_KEY=sandbox-key")
    click.echo(f"  headrace run sapi --rewrite {HOST}={url}")
