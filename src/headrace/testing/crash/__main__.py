"""``python -m headrace.testing.crash``: see ``--help``."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from headrace.core.errors import HeadraceError, UsageError
from headrace.destinations import from_url
from headrace.testing.crash import matrix, report, yours
from headrace.testing.crash.cells import DESTINATIONS
from headrace.testing.crash.result import Result


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m headrace.testing.crash",
        description="Kill runs, let their databases and files fail, let them go on, and compare their tables and pages "
        "with a run that was left alone. Without --pipeline: Headrace's own matrix against its sandbox. Ends with "
        "lines `figure value`; exit code 1 when a figure other than kills is not 0, or a run ended as it must not.",
    )
    parser.add_argument("--kills", type=int, default=200, metavar="N", help="SIGKILLs, spread over the cells")
    parser.add_argument("--seed", type=int, default=1, help="of the schedule of strikes")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="cells at a time")
    parser.add_argument("--results", type=Path, metavar="FOLDER", help="write crash.json and crash.md there")
    mine = parser.add_argument_group("your own pipeline")
    mine.add_argument("--pipeline", metavar="FILE", help="a pipeline file, or a built-in's name")
    mine.add_argument(
        "--destination",
        action="append",
        metavar="URL",
        help="databases are made beside it (DuckDB, SQLite: in its folder; PostgreSQL: on its server) and removed; "
        "it is not touched itself. Repeat for several. Default: a DuckDB file; the matrix: all three kinds",
    )
    mine.add_argument("--param", action="append", default=[], metavar="NAME=VALUE", help="an input of the pipeline")
    mine.add_argument(
        "--rewrite",
        action="append",
        default=[],
        metavar="HOST=URL",
        help="ask URL instead of HOST; each page is asked for once, and remembered",
    )
    mine.add_argument("--secrets-file", type=Path, metavar="FILE", help="where the run finds its credentials")
    return parser


@contextmanager
def _places(given: Sequence[str] | None) -> Iterator[dict[str, str]]:
    """Kind of database to the URL beside which databases are made."""
    with ExitStack() as stack:
        if given:
            yield {from_url(url).url.partition(":")[0]: url for url in given}
            return
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="headrace-crash-"))
        found = {kind: f"{kind}:///{folder}/any.{kind}" for kind in DESTINATIONS if kind != "postgresql"}
        from headrace.testing.postgres import CannotStart, postgres_server

        try:
            found["postgresql"] = stack.enter_context(postgres_server())
        except CannotStart as error:
            print(f"PostgreSQL is left out: {error}", file=sys.stderr)  # noqa: T201 - the command's own words
        yield found


def _wish(given: argparse.Namespace, stack: ExitStack) -> yours.Wish:
    destinations = given.destination
    if not destinations:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="headrace-crash-"))
        destinations = [f"duckdb:///{folder}/any.duckdb"]
    return yours.Wish(
        pipeline=given.pipeline,
        destinations=tuple(destinations),
        kills=given.kills,
        seed=given.seed,
        params=_pairs(given.param, "--param NAME=VALUE"),
        rewrite=_pairs(given.rewrite, "--rewrite HOST=URL"),
        secrets_file=given.secrets_file,
    )


def _pairs(given: Sequence[str], form: str) -> dict[str, str]:
    for text in given:
        if "=" not in text:
            raise UsageError(f"{text!r} is not a pair", hint=f"write {form}")
    return dict(text.split("=", 1) for text in given)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 1 where a promise was broken, 2 where the command is wrong."""
    given = _parser().parse_args(arguments)
    words = sys.argv[1:] if arguments is None else arguments
    command = " ".join(["python -m headrace.testing.crash", *words])
    began = time.monotonic()
    results: list[Result] = []
    try:
        with ExitStack() as stack:
            if given.pipeline:
                coming = yours.run(_wish(given, stack))
            else:
                urls = stack.enter_context(_places(given.destination))
                coming = matrix.run(matrix.cells(urls, given.kills, given.seed), given.jobs)
            for one in coming:
                results.append(one)
                _tell(one)
                if given.results:
                    _keep(given.results, report.document(results, command, time.monotonic() - began))
    except HeadraceError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - the command's own words
        return error.exit_code
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)  # noqa: T201 - the command's own words
        return 130
    found = report.document(results, command, time.monotonic() - began)
    for line in (*report.lines(found), "", *(f"{name} {value}" for name, value in found["figures"].items())):
        print(line)  # noqa: T201 - the command's result
    wrong = any(value for name, value in found["figures"].items() if name != "kills")
    return 1 if wrong or found["violations"] else 0


def _keep(folder: Path, found: Mapping[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "crash.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    (folder / "crash.md").write_text(report.page(found), encoding="utf-8")


def _tell(one: Result) -> None:
    state = "ok" if one.clean else "BROKEN"
    struck = f"{one.figures.kills} kills, {one.figures.strikes - one.figures.kills} other strikes"
    text = f"{one.destination} {one.style}: {struck}, {sum(one.sweeps.values())} swept: {state} ({one.seconds:.0f} s)"
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - progress
    for violation in one.violations:
        print(violation, file=sys.stderr)  # noqa: T201 - what went wrong, as soon as it did


if __name__ == "__main__":
    sys.exit(main())
