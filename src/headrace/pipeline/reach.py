"""What a pipeline file would reach, held against what whoever runs it allows: said with the place, before anything is
opened. Hosts are checked again where it counts, at the address that is connected to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from headrace.core.addresses import is_public
from headrace.core.errors import NotAllowed, PipelineFileError
from headrace.core.hosts import host_rules, is_loopback, may_go
from headrace.core.trust import EVERYTHING, Trust
from headrace.pipeline.model import Pipeline
from headrace.pipeline.shape import Shaped
from headrace.pipeline.variables import environment_uses, texts, uses
from headrace.pipeline.yaml import Where
from headrace.steps.base import Step, processors
from headrace.steps.source import Source

_PLAIN_ORIGIN = re.compile(r"https?://[^{}/?#]+(?=[/?#]|$)", re.IGNORECASE)
_URLS = ("base_url", "url", "auth.token_url")
_HARMLESS = "HEADRACE_ENV"
"""Names an environment of the file and nothing else."""


def add_problems(shaped: Shaped, trust: Trust) -> None:
    """Add what ``trust`` does not allow to the problems of a file."""
    if trust is EVERYTHING:
        return
    for path, error in _refused(shaped, trust):
        shaped.problem(path, _line(error))


def check_reach(shaped: Shaped, name: str, trust: Trust) -> None:
    """The same for a file called ``name`` that was read before. Raises PipelineFileError with every line."""
    if trust is EVERYTHING:
        return
    found = sorted(shaped.locate(path, _line(error)) for path, error in _refused(shaped, trust))
    if found:
        raise PipelineFileError([problem.text(name) for problem in found])


def check_stored(pipeline: Pipeline, trust: Trust) -> None:
    """Whether the steps of a run that is gone on with hold SQL that is not allowed, or read what is not. Raises NotAllowed."""
    for entry in pipeline.steps:
        if entry.config.reads_files and not trust.own_destination:
            raise _no_files(f"step {entry.step}")
    if trust.allow_sql:
        return
    for entry in pipeline.steps:
        config = entry.config.model_dump(by_alias=True, exclude_none=True)
        for path, _ in _sql(type(entry.config), config, ()):
            raise _no_sql(f"step {entry.step}: {'.'.join(map(str, path))}")


def _refused(shaped: Shaped, trust: Trust) -> Iterator[tuple[Where, NotAllowed]]:
    if trust.allowed_env is not None:
        yield from _variables(shaped, trust)
    steps = shaped.data.get("steps")
    for index, entry in enumerate(steps if isinstance(steps, list) else ()):
        kind = processors().get(str(entry.get("processor"))) if isinstance(entry, dict) else None
        if kind is None:
            continue
        if kind.reads_files and not trust.own_destination:
            yield ("steps", index, "processor"), _no_files()
        at: Where = ("steps", index, "config")
        if not trust.allow_sql:
            for path, _ in _sql(kind, entry.get("config"), at):
                yield path, _no_sql()
        if issubclass(kind, Source):
            for pattern in _URLS:
                for path, text in texts(entry.get("config"), tuple(pattern.split(".")), at):
                    if (origin := _PLAIN_ORIGIN.match(text)) and not _may_reach(origin[0], trust):
                        yield (
                            path,
                            NotAllowed(
                                f"requests to {origin[0]} are not allowed here",
                                hint=f"to allow it: allowed_hosts: [{origin[0]!r}] in the service's configuration",
                            ),
                        )


def _variables(shaped: Shaped, trust: Trust) -> Iterator[tuple[Where, NotAllowed]]:
    used = [(use.name.partition("."), use.path) for use in (*uses(shaped), *environment_uses(shaped))]
    asked = [(rest, path) for (root, _, rest), path in used if root == "env" and rest]
    chooser = shaped.data.get("environment_variable")
    if isinstance(chooser, str) and chooser != _HARMLESS:
        asked.append((chooser, ("environment_variable",)))
    for name, path in asked:
        try:
            trust.check_env(name)
        except NotAllowed as error:
            yield path, error


def _sql(kind: type[Step], config: Any, at: Where) -> Iterator[tuple[Where, str]]:
    for pattern in kind.sql_fields:
        yield from ((path, text) for path, text in texts(config, tuple(pattern.split(".")), at) if text)


def _may_reach(origin: str, trust: Trust) -> bool:
    """As far as the text tells: where a name leads is known when it is connected to."""
    if trust.allowed_hosts and may_go(origin, host_rules(trust.allowed_hosts)):
        return True
    if trust.allowed_hosts is None and trust.public_hosts:
        return True
    host = urlsplit(origin).hostname or ""
    literal = re.fullmatch(r"[\d.]+|.*:.*", host) is not None
    return trust.public_hosts and not is_loopback(host) and (not literal or is_public(host))


def _no_files(place: str = "") -> NotAllowed:
    return NotAllowed(
        "a pipeline may not choose folders and buckets to read from here",
        hint="only who may choose a destination may: load the files by a run of one's own",
        place=place,
    )


def _no_sql(place: str = "") -> NotAllowed:
    return NotAllowed(
        "SQL of one's own is not allowed here",
        hint="to allow it: allow_sql: true in the service's configuration",
        place=place,
    )


def _line(error: NotAllowed) -> str:
    return f"{error.message}; {error.hint}"
