"""One crawl with marked secrets against a hostile API, and the search of everything it wrote and showed."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import logging
import sys
import traceback
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headrace.core.clock import SystemClock
from headrace.core.errors import HeadraceError
from headrace.core.events import Event, EventSink
from headrace.testing.secrets.api import Asked, HostileApi
from headrace.testing.secrets.marks import Leak, Secrets
from headrace.testing.secrets.scenarios import Scenario
from headrace.testing.secrets.sweep import sweep_database, sweep_folder

PROVIDER = "HUNTED"


@dataclass(frozen=True)
class Case:
    """A credential and the way it goes out.

    ``auth`` is the block of the file, with ``provider: HUNTED``; ``{url}`` in its texts is the API's own URL.
    ``credential`` makes the text (or the JSON members) that is found for that provider; ``config`` gives
    further keys of the step, for secrets that the file itself spells out. ``sinks`` listen too: a sink of your own
    whose output lies in the hunt's folder is searched with the rest. ``stored``: the credential is stored for the
    organisation before the run, instead of given to it, and ``before`` are steps that come before the crawl.
    """

    name: str
    auth: Mapping[str, Any] | None
    credential: Callable[[Secrets], str | Mapping[str, str]] | None
    config: Callable[[Secrets], Mapping[str, Any]] = lambda _: {}
    sinks: Callable[[Path], tuple[EventSink, ...]] = lambda _: ()
    stored: bool = False
    before: tuple[Mapping[str, Any], ...] = ()

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Found:
    """``status`` is that of the run, ``error`` what it raised; ``asked`` are the requests that the API saw."""

    leaks: list[Leak]
    status: str
    error: BaseException | None
    asked: list[Asked]
    secrets: Secrets
    folder: Path
    destination: str
    values: int = 0
    """Values of the destination that were searched."""
    shown: str = ""
    """All that was logged, printed, emitted and raised."""


class HurriedClock(SystemClock):
    """The machine's clock, but sleeping takes no time: it is over at once, and it is later."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def now(self) -> int:
        return super().now() + int(self._ahead * 1e6)

    def monotonic(self) -> float:
        return super().monotonic() + self._ahead

    async def sleep(self, seconds: float) -> None:
        self._ahead += seconds
        await asyncio.sleep(0)


class _Events:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def emit(self, event: Event) -> None:
        self.lines.append(repr(event))


def _stream() -> io.TextIOWrapper:
    """As stdout is: with bytes below, for what is printed byte for byte."""
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)


@dataclass
class _Overheard:
    """Whatever was said on stdout, stderr, in Python's logs and warnings while it listened."""

    out: io.TextIOWrapper = field(default_factory=_stream)
    err: io.TextIOWrapper = field(default_factory=_stream)
    logs: io.StringIO = field(default_factory=io.StringIO)
    warned: list[str] = field(default_factory=list)

    def text(self) -> str:
        written = [stream.buffer.getvalue().decode("utf-8", "replace") for stream in (self.out, self.err)]  # type: ignore[attr-defined]  # a BytesIO
        return "\n".join([*written, self.logs.getvalue(), *self.warned])


@contextlib.contextmanager
def overhear() -> Any:
    """Listen while the block runs; Python's root logger is at its most talkative."""
    said = _Overheard()
    handler = logging.StreamHandler(said.logs)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        with (
            contextlib.redirect_stdout(said.out),
            contextlib.redirect_stderr(said.err),
            warnings.catch_warnings(record=True) as caught,
        ):
            warnings.simplefilter("always")
            yield said
        said.warned += [str(warning.message) for warning in caught]
    finally:
        root.setLevel(level)
        root.removeHandler(handler)


def pipeline(case: Case, scenario: Scenario, secrets: Secrets, url: str) -> dict[str, Any]:
    """The file that the hunt runs."""
    config: dict[str, Any] = {
        "url": f"{scenario.at or url}/items",
        "data_path": "items",
        "timeout": 5,
        "pagination": {"type": "cursor", "param": "cursor", "response_path": "cursor"},
        "rate_limit": {"requests_per_second": 100_000, "max_retries": 1},
        "tables": [
            {
                "table": "items",
                "key": ["id"],
                "columns": {"id": "id", "name": "name", "echo": {"path": "echo", "type": "json"}, "text": "text"},
            }
        ],
        **scenario.config,
        **case.config(secrets),
    }
    if case.auth is not None:
        auth = {k: v.replace("{url}", url) if isinstance(v, str) else v for k, v in case.auth.items()}
        config["auth"] = auth
    step = {"step": "crawl", "processor": "generic.api_extractor", "config": config}
    return {"pipeline_id": "hunted", "steps": [*map(dict, case.before), step]}


def kept(case: Case, secret: str | Mapping[str, str] | None, state: Path) -> dict[str, Any]:
    """What the run is given: nothing, when the credential is stored, which happens here."""
    if secret is None or not case.stored:
        return {PROVIDER: secret} if secret is not None else {}
    from headrace import credentials

    credentials.store("default", PROVIDER, secret, state=state)
    return {}


def hunt(
    case: Case,
    scenario: Scenario,
    folder: Path,
    *,
    destination: str | None = None,
    further: Secrets | None = None,
) -> Found:
    """Crawl, and search: events, logs of both formats, progress, stdout and stderr, Python's own logs, the result
    as JSON, errors (``str``, ``repr``, traceback), the destination's every table, and every file below ``folder``.

    ``further`` holds secrets made before (the password in ``destination``). A destination that cannot be opened is
    not searched.
    """
    import headrace
    from headrace.cli._progress import make
    from headrace.runner.telemetry import LogSink

    secrets = further or Secrets()
    secret = case.credential(secrets) if case.credential is not None else None
    files = folder / "files"  # the user's own: not searched
    files.mkdir(parents=True)
    home = folder / "home"
    home.mkdir()
    url = destination or f"sqlite:///{home}/hunted.sqlite"
    recorded = _Events()
    error: BaseException | None = None
    said: list[str] = []
    status = "failed"
    with HostileApi(secrets, scenario).serving() as api:
        path = files / "hunted.yml"
        path.write_text(json.dumps(pipeline(case, scenario, secrets, api.url)), encoding="utf-8")
        given = kept(case, secret, home / "state")
        with overhear() as heard:
            progress = make("plain", sys.stderr, quiet=False)
            sinks: list[EventSink] = [recorded, LogSink("json", 2), LogSink("console", 2), *case.sinks(home)]
            if progress is not None:
                sinks.append(progress)
            try:
                result = headrace.run(
                    path,
                    destination=url,
                    run_id="hunted",
                    secrets=given,
                    sinks=sinks,
                    state=home / "state",
                    clock=HurriedClock(),
                )
                status = result.status
                said += [repr(result), json.dumps(result.as_dict(), default=str)]
            except HeadraceError as problem:
                error = problem
                said += _told(problem)
        asked = list(api.asked)
    said += [heard.text(), *recorded.lines]
    shown = "\n".join(said)
    secrets.search("shown", shown)
    try:
        values = sweep_database(secrets, url)
    except HeadraceError:
        values = 0
    sweep_folder(secrets, home, tokens=case.stored)
    return Found(secrets.leaks, status, error, asked, secrets, home, url, values, shown)


def _told(error: BaseException) -> list[str]:
    """Everything that an error and those behind it can tell."""
    texts = ["".join(traceback.format_exception(error))]
    seen: list[BaseException] = [error]
    for one in seen:
        own = {name: value for name, value in vars(one).items() if isinstance(value, str | list | tuple)}
        texts += [str(one), repr(one), repr(one.args), repr(own), *getattr(one, "__notes__", ())]
        further = [one.__cause__, one.__context__, *getattr(one, "exceptions", ())]
        seen += [other for other in further if other is not None and other not in seen]
    return texts
