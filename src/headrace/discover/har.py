"""A HAR file, as a browser saves what its network panel saw: which of its requests list records."""

from __future__ import annotations

import base64
import contextlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

from headrace.core.errors import HeadraceError, InputError
from headrace.core.http import Response
from headrace.core.suggest import did_you_mean
from headrace.discover.asked import Raw
from headrace.discover.probe import Seen, read
from headrace.discover.records import Found, lists
from headrace.discover.values import around
from headrace.sources.paginate._links import find

_MOST_BYTES = 500_000_000
_LISTED = 200
Place = tuple[str, str]
"""(query, header, body or form; name or path) of a value in a request."""
_POSITIONS = re.compile(r"(?:x-)?.*(?:cursor|page|offset|marker|contin).*", re.IGNORECASE)
"""Headers that may say where in a list to begin; all others say who asks."""


@dataclass(frozen=True)
class Call:
    """One request of the file and its answer."""

    raw: Raw = field(repr=False)
    seen: Seen = field(repr=False)
    places: Mapping[Place, str] = field(repr=False)
    """What the request says, by where it says it."""
    found: Sequence[Found] = field(repr=False)
    """The lists in the answer."""


@dataclass(frozen=True)
class Listing:
    """The calls of one endpoint, in the order of the file; each answered a list of objects."""

    label: str
    path: str
    url: str
    operation: str
    calls: tuple[Call, ...]

    @property
    def summary(self) -> str:
        likeliest = max(self.calls, key=lambda call: len(call.found[0].records)).found[0]
        count = f"{len(self.calls)} requests" if len(self.calls) > 1 else "1 request"
        return f"({count}, {len(likeliest.records)} records at {likeliest.path or 'the root'})"


def is_har(source: str) -> bool:
    """Whether a path is called like a HAR file."""
    return source.lower().endswith(".har")


def read_har(file: Path) -> list[Listing]:
    """What lists records in ``file``, the likeliest first. Raises InputError for what is no HAR file, or has none."""
    try:
        if file.stat().st_size > _MOST_BYTES:
            raise InputError(f"{file} is larger than {_MOST_BYTES // 1_000_000} MB")
        document = json.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise InputError(f"{file} cannot be read: {said}") from None
    except (ValueError, RecursionError):
        raise InputError(f"{file} is no HAR file: it is not JSON", hint="save it again: it may be cut short") from None
    log = document.get("log") if isinstance(document, dict) else None
    entries = log.get("entries") if isinstance(log, dict) else None
    if not isinstance(entries, list):
        raise InputError(f"{file} is no HAR file: it has no log.entries")
    found = _grouped([call for entry in entries if (call := _call(entry)) is not None])
    if not found:
        bare = sum(1 for entry in entries if not _dig(entry, "response", "content", "text"))
        raise InputError(
            f"{file}: none of its {len(entries)} answers is a list of objects ({bare} are without their content)",
            hint="open the page that shows the records with the network panel open, and save all as HAR with content",
        )
    return found


def choose(listings: Sequence[Listing], wanted: str | None) -> Listing:
    """The listing ``wanted`` (its label, path or URL), or the only one. Raises InputError, which shows all."""
    if wanted is None and len(listings) == 1:
        return listings[0]
    if wanted is None:
        shown = "\n".join(f"  {one.label}  {one.summary}" for one in listings[:_LISTED])
        raise InputError(
            f"{len(listings)} endpoints of this file list records:\n{shown}", hint="choose one: --endpoint PATH"
        )
    named = [one for one in listings if one.label == wanted] or [o for o in listings if wanted in (o.path, o.url)]
    if len(named) != 1:
        labels = [one.label for one in listings]
        said = "there is no such list" if not named else "there are several"
        raise InputError(
            f"--endpoint {wanted}: {said}{did_you_mean(wanted, labels)}", hint="without --endpoint, all are listed"
        )
    return named[0]


def _grouped(calls: Sequence[Call]) -> list[Listing]:
    groups: dict[tuple[str, str, str], list[Call]] = {}
    for call in calls:
        groups.setdefault((call.raw.method, call.raw.url.partition("?")[0], _operation(call)), []).append(call)
    for key in [*groups]:
        for target in {url.partition("?")[0] for call in groups.get(key, ()) for url in _leads_to(call)}:
            followed = (key[0], target, key[2])
            if followed != key and key in groups and followed in groups:
                groups[key] += groups.pop(followed)
    paths = [(urlsplit(url).path or "/") + operation for _, url, operation in groups]
    found = []
    for (method, url, operation), group in groups.items():
        path = (urlsplit(url).path or "/") + operation
        label = path if paths.count(path) == 1 else f"{method} {url}{operation}"
        found.append(Listing(label, path, url, operation.lstrip("#"), tuple(group)))
    return sorted(found, key=lambda one: -sum(call.found[0].rank for call in one.calls))


def _leads_to(call: Call) -> Iterator[str]:
    """The links to a next page in an answer: it may be called otherwise than the first."""
    header = find(call.seen.response.header_all("link"), "next")
    inside = [
        value.value
        for value in around(call.seen.document, call.found[0].path)
        if isinstance(value.value, str) and "next" in value.text.lower()
    ]
    for link in [*([header] if header is not None else []), *inside]:
        with contextlib.suppress(ValueError):
            yield urljoin(call.raw.url, link)


def _operation(call: Call) -> str:
    """What tells GraphQL queries to one address apart: ``#films``."""
    query = call.places.get(("body", "query")) or call.places.get(("query", "query"), "")
    if "{" not in query:
        return ""
    named = call.places.get(("body", "operationName")) or call.places.get(("query", "operationName"))
    match = re.search(r"query\s+(\w+)", query) or re.search(r"\{\s*(\w+)", query)
    return f"#{named or (match[1] if match else '')}"


def _call(entry: Any) -> Call | None:
    """The request and answer of ``entry``; ``None`` for what is no answered request for a list."""
    request, response, content = _dig(entry, "request"), _dig(entry, "response"), _dig(entry, "response", "content")
    if not (isinstance(request, dict) and isinstance(response, dict) and isinstance(content, dict)):
        return None
    url, method, text = request.get("url"), str(request.get("method", "")).upper(), content.get("text")
    status = response.get("status")
    if not (isinstance(url, str) and re.match(r"https?://", url) and method in ("GET", "POST")):
        return None
    if not (isinstance(text, str) and text and isinstance(status, int) and status // 100 == 2):
        return None
    try:
        body = base64.b64decode(text) if content.get("encoding") == "base64" else text.encode()
        headers = _pairs(response.get("headers"))
        kind = str(content.get("mimeType") or "")
        kept = [(n.lower(), v) for n, v in headers if n.lower() not in ("content-type", "content-encoding")]
        seen = read(Response(status, (*kept, ("content-type", kind)), body, url.partition("#")[0], 0))
    except (ValueError, RecursionError, HeadraceError):
        return None
    found = lists(seen.document)
    if not found:
        return None
    raw = Raw(url.partition("#")[0], method, _pairs(request.get("headers")), _body(request.get("postData")))
    return Call(raw, seen, places(raw), found)


def places(raw: Raw) -> dict[Place, str]:
    """Every value that a request has, by its place; those of one name are joined."""
    found: dict[Place, str] = {}
    for name, value in parse_qsl(urlsplit(raw.url).query, keep_blank_values=True):
        at = ("query", name)
        found[at] = f"{found[at]}\0{value}" if at in found else value
    found |= {("header", name.lower()): value for name, value in raw.headers if _POSITIONS.fullmatch(name)}
    if raw.body is None:
        return found
    try:
        document = json.loads(raw.body)
    except ValueError:
        if "=" in raw.body and "<" not in raw.body:
            return found | {("form", name): value for name, value in parse_qsl(raw.body, keep_blank_values=True)}
        return found | {("body", ""): raw.body}
    return found | {("body", path): value for path, value in _leaves(document, "")}


def without(raw: Raw, place: Place) -> Raw:
    """``raw`` with no value at ``place``."""
    where, name = place
    if where == "query":
        head, _, query = raw.url.partition("?")
        kept = [(n, v) for n, v in parse_qsl(query, keep_blank_values=True) if n != name]
        url = f"{head}?{urlencode(kept)}" if kept else head
        return Raw(url, raw.method, raw.headers, raw.body)
    if where == "header":
        return Raw(raw.url, raw.method, tuple(p for p in raw.headers if p[0].lower() != name), raw.body)
    if where == "form":
        kept = [(n, v) for n, v in parse_qsl(raw.body or "", keep_blank_values=True) if n != name]
        return Raw(raw.url, raw.method, raw.headers, urlencode(kept))
    document = json.loads(raw.body or "null")
    node, parts = document, name.split(".")
    for part in parts[:-1]:
        node = node[part]
    node.pop(parts[-1], None)
    return Raw(raw.url, raw.method, raw.headers, json.dumps(document))


def _leaves(node: Any, at: str) -> Iterator[tuple[str, str]]:
    """Paths of the values that objects hold; a name with a dot, and a list, are one value."""
    if isinstance(node, dict) and node and not any("." in name for name in node):
        for name, value in node.items():
            yield from _leaves(value, f"{at}.{name}" if at else name)
    elif node is not None:
        yield at, node if isinstance(node, str) else json.dumps(node, sort_keys=True)


def _body(data: Any) -> str | None:
    if not isinstance(data, dict):
        return None
    if isinstance(data.get("text"), str) and data["text"]:
        return str(data["text"])
    return urlencode(_pairs(data.get("params"))) or None


def _pairs(given: Any) -> tuple[tuple[str, str], ...]:
    items = given if isinstance(given, list) else []
    return tuple(
        (str(item["name"]), str(item.get("value", ""))) for item in items if isinstance(item, dict) and "name" in item
    )


def _dig(node: Any, *names: str) -> Any:
    for name in names:
        node = node.get(name) if isinstance(node, dict) else None
    return node
