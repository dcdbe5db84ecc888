"""From one request to a pipeline file: ask, find the records, find the paging, write it down."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from headrace.core.errors import HeadraceError, InputError
from headrace.discover.asked import Asked, part
from headrace.discover.draft import Draft, name_of, text_of
from headrace.discover.har import Listing
from headrace.discover.paging import Finder, Paging
from headrace.discover.probe import Page, Probe
from headrace.discover.recorded import Recorded, compare
from headrace.discover.records import Found, columns, key_of, moments, records_of, types
from headrace.secrets.scrub import scrub
from headrace.sources.paginate.none import SinglePage

_ERRORS = ("error", "errors")


class Choices(Protocol):
    """Decides, where somebody is there to be asked; each gives what it was given, or something better."""

    def records(self, found: list[Found]) -> list[Found]: ...
    def paging(self, found: Paging) -> Paging: ...
    def key(self, found: str | None, columns: Sequence[str]) -> str | None: ...


def draft(
    asked: Asked,
    source: str,
    *,
    name: str | None = None,
    rewrite: Mapping[str, str] | None = None,
    choices: Choices | None = None,
) -> str:
    """The text of a pipeline file for the list that ``asked`` asks for. ``source`` says where the request is from.

    Costs at most :data:`~headrace.discover.probe.MOST` requests. A POST that is not known to only read is refused.
    Raises UsageError, SourceError.
    """
    if not may_be_sent(asked):
        raise InputError(
            "the request is a POST, and may change something: it is not sent to find out",
            hint="if it only reads (a search, a query), say so: --safe",
        )
    return asyncio.run(_draft(Probe(asked, rewrite), source, name, Finder.find, choices))


def draft_of(listing: Listing, source: str, *, safe: bool = False) -> tuple[str, Asked]:
    """The same from requests that were made already, and their request. Asks for nothing."""
    told = compare(listing.calls)
    asked = part(told.raw, safe=safe, cookies=True)
    asked = replace(asked, notes=(*asked.notes, *told.notes))
    name = name_of(listing.operation) if listing.operation else None
    text = _draft(Recorded(asked, told), source, name, lambda finder: finder.compared(told.config, told.why))
    return asyncio.run(text), asked


def may_be_sent(asked: Asked) -> bool:
    """Whether a request only reads: anything but a POST that nobody said so of."""
    config = asked.config
    return config.get("method") != "POST" or bool(config.get("safe")) or _only_queries(config)


def _only_queries(config: Mapping[str, Any]) -> bool:
    text = str(config.get("graphql", {}).get("query", "mutation"))
    return "mutation" not in text.split("{")[0] and "subscription" not in text.split("{")[0]


def unasked(asked: Asked, source: str, data_path: str, paging: Mapping[str, Any], key: str | None) -> str:
    """A file of what was answered alone: nothing was asked of the API."""
    return text_of(
        Draft(
            name=name_of(str(asked.config["url"])), source=source, asked=asked, data_path=data_path, data_note="As answered.",
            pagination=paging, paging_note="As answered, not tried.", columns={}, types={}, key=key,
            key_note="As answered.", more={}, notes=("Nothing was asked of the API: `headrace preview` shows whether this holds.",),
        )
    )  # fmt: skip


async def _draft(
    probe: Probe,
    source: str,
    name: str | None,
    find: Callable[[Finder], Awaitable[Paging]],
    choices: Choices | None = None,
) -> str:
    asked = probe.asked
    try:
        start = next((hint for hint in asked.hints if hint[2] == "*"), None)
        request = probe.base.with_params([(start[1], "*")]) if start is not None else probe.base
        seen = await probe.ask(request)
        found = records_of(seen.document, f"{asked.config.get('method', 'GET')} {asked.url}")
        found = choices.records(found) if choices is not None else found
        first = probe.page(seen, found[0].path, SinglePage(type="none"))
        paging = await find(Finder(probe, found[0].path, first))
        paging = choices.paging(paging) if choices is not None else paging
        return probe.masker.mask_text(_written(asked, source, name, found, first, paging, choices))
    except HeadraceError as error:
        scrub(error, probe.masker.mask_text)
        raise
    finally:
        await probe.close()


def _written(
    asked: Asked,
    source: str,
    name: str | None,
    found: list[Found],
    first: Page,
    paging: Paging,
    choices: Choices | None,
) -> str:
    pages = [first, *([paging.second] if paging.second is not None else [])]
    records = [record for page in pages for record in page.records if isinstance(record, dict)]
    called = name or name_of(str(asked.config["url"]))
    named = columns(records)
    distinct = list({json.dumps(record, sort_keys=True): record for record in records}.values())  # pages may overlap
    key = key_of(named, distinct, called)
    answered = choices.key(key, list(named)) if choices is not None else key
    texts = [b"[" + b",".join(page.texts) + b"]" for page in pages]
    seen = types(named, texts)
    for name in moments(named, records):
        if seen.get(name) == "string":
            seen[name] = f"string; as a time: {{path: {named[name]}, type: timestamp}}"
    others = [f"{one.path or 'the root'} ({len(one.records)})" for one in found[1:4]]
    beside = f"; other lists: {', '.join(others)}" if others else ""
    sure = "" if paging.sure else "Not certain: "
    return text_of(
        Draft(
            name=called,
            source=source,
            asked=asked,
            data_path=found[0].path,
            data_note=f"The longest list of objects in the answer: {len(first.texts)} records{beside}.",
            pagination=paging.config,
            paging_note=". ".join((sure + paging.why, *paging.doubts)) + ".",
            columns=named,
            types=seen,
            key=answered,
            key_note="As answered." if answered != key else
            f"Guessed: different in each of the {len(records)} records seen." if key is not None else
            "No field identified each record that was seen: rows are appended. Name one, such as key: [id].",
            more=_more(first, paging, found[0].path),
        )
    )  # fmt: skip


def _more(first: Page, paging: Paging, path: str) -> dict[str, tuple[Any, str]]:
    more: dict[str, tuple[Any, str]] = {}
    seen = first.seen
    if seen.kind == "xml":
        more["decode"] = ({"type": "xml", "lists": [path]}, "One element alone is a list here too.")
    if paging.end_on is not None:
        more["end_on"] = ([paging.end_on], f"Far behind the end the API answers {paging.end_on}.")
    document = seen.document
    if isinstance(document, dict):
        if document.get("ok") is True:
            more["ok_path"] = ("ok", "Guessed: false marks an error inside a 200.")
        for name in _ERRORS:
            if name in document and document[name] in (None, [], False, ""):
                more["error_path"] = (
                    name,
                    f"Guessed: {json.dumps(document[name])} here, so something else marks an error.",
                )
    return more
