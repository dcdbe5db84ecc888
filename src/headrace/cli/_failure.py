"""How a command ends when it fails: a message on stderr, JSON on stdout where it was asked for, an exit code."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from headrace._version import __version__
from headrace.core.errors import HeadraceError, PipelineFileError

ISSUES = "https://github.com/headrace/headrace/issues"


def guarded(call: Callable[[], Any], arguments: Sequence[str], facts: Mapping[str, Any]) -> int:
    """The exit code of ``call``. ``facts`` are what a failing command wants in its JSON (run id, pages)."""
    options = _options(arguments)
    try:
        code = call()
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        code, text = 2, error.format_message()
    except HeadraceError as error:
        code, text = error.exit_code, str(error)
        click.echo(text if isinstance(error, PipelineFileError) else f"error: {text}", err=True)
    except BrokenPipeError:  # whoever read the output has seen enough
        _drop_output()
        return 0
    except (KeyboardInterrupt, click.exceptions.Abort):
        code, text = 130, "stopped"
        click.echo("stopped", err=True)
    except BaseException as error:
        if isinstance(error, SystemExit | GeneratorExit):
            raise
        if type(error).__name__ == "CancelledError":  # a second Ctrl-C; asyncio may not be loaded here
            code, text = 130, "stopped at once"
            click.echo(text, err=True)
        elif isinstance(error, OSError) and _is_of_output(error):
            code, text = 1, _unwritten(error)
        else:
            code, text = 1, _internal(error, verbose=bool(options & {"-v", "-vv", "--verbose"}))
    else:
        return code if isinstance(code, int) else 0
    if "note" in facts and "headrace resume" not in text:
        click.echo(f"go on with: headrace resume {facts['run_id']}" if code == 130 else facts["note"], err=True)
    if "--json" in options:
        status = "interrupted" if code == 130 else "failed"
        _print({"status": status, "error": text, **facts, "exit_code": code})
    return code


def _options(arguments: Sequence[str]) -> set[str]:
    end = arguments.index("--") if "--" in arguments else len(arguments)
    return {text for text in arguments[:end] if text.startswith("-")}


def _print(document: Mapping[str, Any]) -> None:
    try:
        click.echo(json.dumps(document, default=str))
    except BrokenPipeError:
        _drop_output()
    except OSError as error:
        _unwritten(error)


def _is_of_output(error: OSError) -> bool:
    """Raised where a command prints: such an error names no file, and comes from a command itself or from click."""
    last = Path(traceback.extract_tb(error.__traceback__)[-1].filename).parent
    return error.filename is None and last in (Path(__file__).parent, Path(click.__file__).parent)


def _unwritten(error: OSError) -> str:
    _drop_output()
    text = f"the output could not be written: {error.strerror or type(error).__name__}"
    click.echo(f"error: {text}\n  What was committed is safe: headrace runs lists what ran.", err=True)
    return text


def _drop_output() -> None:
    """Python would complain when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _internal(error: BaseException, *, verbose: bool) -> str:
    """Say where it happened. The error's own text only on request: it may quote data or a secret."""
    cause = error
    while isinstance(cause, BaseExceptionGroup):
        cause = cause.exceptions[0]
    frames = traceback.extract_tb(cause.__traceback__)
    ours = [frame for frame in frames if f"{os.sep}headrace{os.sep}" in frame.filename] or frames
    place = f"{ours[-1].filename.rpartition('headrace' + os.sep)[2]}:{ours[-1].lineno}" if ours else "unknown"
    text = f"internal error: {type(cause).__name__} at {place} (headrace {__version__})"
    click.echo(text, err=True)
    click.echo("  This is a defect of Headrace, not of your file. What was committed is safe.", err=True)
    if verbose or os.environ.get("HEADRACE_DEBUG"):
        click.echo("".join(traceback.format_exception(error)), err=True)
    else:
        click.echo(
            "  HEADRACE_DEBUG=1 shows the traceback; look it over for data of yours before you send it.", err=True
        )
    click.echo(f"  Please report it: {ISSUES}", err=True)
    return text
