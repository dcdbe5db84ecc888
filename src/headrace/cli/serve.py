"""``headrace serve``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from headrace.cli import _options
from headrace.core.errors import UsageError


@click.command("serve")
@click.option(
    "--config", "file", type=click.Path(path_type=Path, dir_okay=False), help="Configuration of the service (YAML)."
)
@click.option("--host", metavar="ADDRESS", help="Address to listen on (default: 127.0.0.1).")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on; 0 takes a free one (default: 8000).")
@click.option(
    "--pipelines", type=click.Path(path_type=Path, file_okay=False), help="Folder of pipeline files to offer."
)
@click.option(
    "--destination",
    "destinations",
    multiple=True,
    metavar="NAME=URL",
    help="Database that requests call NAME (repeat for several; the first is the default).",
)
@click.option(
    "--progress-store", metavar="URL", help="Store that several instances share; default REDIS_URL, else a file."
)
@click.option(
    "--rewrite",
    "rewrites",
    multiple=True,
    metavar="HOST=URL",
    help="Send a host's requests to another base URL, such as a sandbox.",
)
@_options.state
def command(
    file: Path | None,
    host: str | None,
    port: int | None,
    pipelines: Path | None,
    destinations: tuple[str, ...],
    progress_store: str | None,
    rewrites: tuple[str, ...],
    state: Path | None,
) -> int:
    """Serve pipelines over HTTP: start runs, watch them, look at their tables.

    The API is described at /docs. SIGTERM or Ctrl-C lets the runs commit what they have; they go on when the service
    is started again, and so they do after a crash.

    \b
    headrace serve
    headrace serve --config service.yml --port 8080
    """  # fmt: skip
    try:
        from headrace.service.config import read_config
        from headrace.service.serving import serve
    except ImportError as error:
        raise UsageError(f"the service needs {error.name}", hint="pip install 'headrace[service]'") from None
    given: dict[str, Any] = {
        "host": host,
        "port": port,
        "pipelines": pipelines,
        "state": state,
        "progress": progress_store,
        "destinations": _options.pairs(destinations, "--destination") or None,
        "rewrite": _options.pairs(rewrites, "--rewrite") or None,
    }
    return serve(read_config(file, **given), say=click.echo)
