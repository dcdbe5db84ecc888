"""The paging of an endpoint from requests that were made already: nothing is asked of the API."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any
from urllib.parse import urlencode

from headrace.core.errors import RequestFailed
from headrace.core.http import Request, Response
from headrace.discover.asked import Asked, Raw
from headrace.discover.har import Call, Place, places, without
from headrace.discover.places import header_name, is_position
from headrace.discover.probe import Probe
from headrace.discover.values import around

_VOLATILE = re.compile(
    r"_|_?t|ts|_?timestamp|nocache|cachebust(?:er)?|cb|rnd|rand(?:om)?|nonce|request_?id", re.IGNORECASE
)
_EPOCH = re.compile(r"1\d{9}(?:\d{3})?(?:\.\d+)?|0\.\d{6,}")
_LEADS_ON = re.compile(
    r".*(?:next|cursor|after|token|contin|resum|scroll|marker|end|offset|bookmark|last).*", re.IGNORECASE
)
_IDS = ("id", "_id", "uuid", "key", "name", "cursor", "created_at", "timestamp")
_ALWAYS = 10_000
"""Above this a number is no page's."""


@dataclass(frozen=True)
class Told:
    """What the calls say by themselves: a ``pagination`` block and why, and the first call without its position."""

    raw: Raw
    first: Call
    config: dict[str, Any] | None
    why: str
    notes: tuple[str, ...]
    calls: tuple[Call, ...]
    """Without what differs each time only to get around a cache."""


def compare(calls: Sequence[Call]) -> Told:
    """What differs from call to call, and where the answer before says so."""
    steady = [replace(call, places=_steady(call.places, calls)) for call in calls]
    dropped = sorted({name for call in calls for (_, name) in set(call.places) - set(_steady(call.places, calls))})
    notes = (f"left out, since they differ each time: {', '.join(dropped)}",) if dropped else ()
    raws = {id(new): _stripped(old.raw, old.places, new.places) for old, new in zip(calls, steady, strict=True)}
    for before, after in pairwise(steady):
        gone, new = set(before.places) - set(after.places), set(after.places) - set(before.places)
        found = _merged(new, before, after) if len(new) > 1 and not gone else None
        if gone and len(new) == 1 and (alone := _explained(next(iter(new)), before, after)) is not None:
            exclusive = {"exclusive": True} if alone[0]["type"] == "cursor" else {}
            found = {**alone[0], **exclusive}, f"{alone[1]}, which has no other"
        if found is not None:
            return Told(raws[id(before)], before, *found, notes, tuple(steady))
    for place, same in _differing(steady):
        for before, after in pairwise(same):
            found = _explained(place, before, after)
            if found is None:
                continue
            config, why = found
            first = _first(place, same)
            raw = raws[id(first)]
            return Told(without(raw, place) if place in first.places else raw, first, config, why, notes, tuple(steady))
    first = min(steady, key=lambda call: sum(1 for at, value in call.places.items() if is_position(at[1], value)))
    return Told(raws[id(first)], first, None, "", (*notes, *_varied(steady)), tuple(steady))


def _steady(given: Mapping[Place, str], calls: Sequence[Call]) -> dict[Place, str]:
    """Without what differs each time only to get around a cache."""

    def volatile(place: Place) -> bool:
        values = [call.places[place] for call in calls if place in call.places]
        return bool(_VOLATILE.fullmatch(place[1]) and all(_EPOCH.fullmatch(value) for value in values))

    return {place: value for place, value in given.items() if not volatile(place)}


def _stripped(raw: Raw, before: Mapping[Place, str], after: Mapping[Place, str]) -> Raw:
    for place in set(before) - set(after):
        raw = without(raw, place)
    return raw


def _differing(calls: Sequence[Call]) -> Iterator[tuple[Place, list[Call]]]:
    """Places whose value alone differs between calls, with those calls: the most calls first."""
    found: list[tuple[Place, list[Call]]] = []
    for place in dict.fromkeys(place for call in calls for place in call.places):
        groups: dict[frozenset[tuple[Place, str]], list[Call]] = {}
        for call in calls:
            rest = frozenset((at, value) for at, value in call.places.items() if at != place)
            groups.setdefault(rest, []).append(call)
        largest = max(groups.values(), key=len)
        if len({call.places.get(place) for call in largest}) > 1:
            found.append((place, largest))
    return iter(sorted(found, key=lambda one: -len(one[1])))


def _merged(new: set[Place], before: Call, after: Call) -> tuple[dict[str, Any], str] | None:
    """Several values at once that stood together in the answer before."""
    wanted = {name: after.places[where, name] for where, name in new if where == "query"}
    for value in around(before.seen.document, before.found[0].path):
        members = value.value if isinstance(value.value, dict) else {}
        if len(wanted) == len(new) and {str(name): str(member) for name, member in members.items()} == wanted:
            told = f"the members of {value.text} of one answer are in the next request"
            return {"type": "cursor", "response_path": value.text, "merge": True}, told
    return None


def _explained(place: Place, before: Call, after: Call) -> tuple[dict[str, Any], str] | None:
    """How the value at ``place`` of one call came out of the call before."""
    where, name = place
    value, was = after.places.get(place, ""), before.places.get(place, "")
    if not value or value == was:
        return None
    at: dict[str, Any] = {"param": name} if where == "query" else {"in": "body", "body_path": name}
    if where == "header":
        at = {"in": "header", "param": header_name(name)}
    path, records = before.found[0].path, before.found[0].records
    number = int(value) if value.isdigit() and len(value) < 10 else None
    held = [v for v in around(before.seen.document, path) if str(v.value) == value and _LEADS_ON.fullmatch(v.name)]
    held.sort(key=lambda v: not re.search(r"next|cursor", v.name, re.IGNORECASE))
    if held and (number is None or number > _ALWAYS or not is_position(name, value)):
        told = f"{held[0].text} of one answer is {name} of the next request"
        return {"type": "cursor", **at, "response_path": held[0].text}, told
    for header, said in before.seen.response.headers:
        if said == value and _LEADS_ON.fullmatch(header):
            told = f"the header {header} of one answer is {name} of the next request"
            return {"type": "cursor", **at, "response_header": header}, told
    last = records[-1] if records else {}
    key = next((key for key in _IDS if str(last.get(key, "")) == value), None)
    if key is not None and "*" not in path and (number is None or number > _ALWAYS or not is_position(name, value)):
        response_path = f"{path}.-1.{key}" if path else f"-1.{key}"
        return {"type": "cursor", **at, "response_path": response_path}, (
            f"{key} of the last record is {name} of the next request"
        )
    if number is None or (was and not was.isdigit()):
        return None
    told = f"{name} goes from {was or 'nothing'} to {value}"
    moved = number - int(was or 0)
    if moved == len(records) or moved > (1 if was else 2):  # from nothing to 2: the second page
        return {"type": "offset", **at}, told
    if (was and moved == 1) or number in (1, 2):
        start = int(was) if was else number - 1
        return {"type": "page", **at, **({"start": 0} if start == 0 else {})}, told
    return None


def _first(place: Place, calls: Sequence[Call]) -> Call:
    """The call for the first page: without a position, or with the least; else the first of the file."""
    bare = next((call for call in calls if not call.places.get(place)), None)
    numbers = [(int(call.places[place]), n) for n, call in enumerate(calls) if call.places.get(place, "").isdigit()]
    if bare is not None or len(numbers) < len(calls):
        return bare or calls[0]
    return calls[min(numbers)[1]]


def _varied(calls: Sequence[Call]) -> tuple[str, ...]:
    """Names that had several values, which are not said: they may be anyone's."""
    names = {
        place[1]
        for call in calls
        for place, value in call.places.items()
        if not is_position(place[1], value) and any(other.places.get(place, value) != value for other in calls)
    }
    return (f"requests of the file differ in {', '.join(sorted(names))}: this is one of them",) if names else ()


class Recorded(Probe):
    """Answers from the calls of ``told``; its first answers for the request that names no position."""

    def __init__(self, asked: Asked, told: Told) -> None:
        super().__init__(asked)
        auth = asked.config.get("auth") or {}
        self._secret = {("query", str(auth.get("param_name") or "api_key"))} if auth.get("type") == "query" else set()
        self._answers = {
            self._key(call.raw.method, call.raw.url, call.places): call.seen.response for call in told.calls
        }
        self._answers[self._key_of(self.base)] = told.first.seen.response

    async def fetch(self, request: Request, *, accept: frozenset[int] = frozenset()) -> Response:
        found = self._answers.get(self._key_of(request))
        if found is None:
            raise RequestFailed("the file has no such request", status=None)
        return found

    def _key_of(self, request: Request) -> Any:
        body: str | None = None
        if request.json is not None:
            body = json.dumps(request.json)
        elif request.form is not None or request.text is not None:
            body = request.text if request.text is not None else urlencode(request.form or ())
        said = places(Raw(request.full_url, request.method, request.headers, body))
        return self._key(request.method, request.full_url, said)

    def _key(self, method: str, url: str, said: Mapping[Place, str]) -> Any:
        unsaid = {*self._secret, ("body", "operationName")}
        kept = {(at, value) for at, value in said.items() if value not in ("", "{}") and at not in unsaid}
        return method, url.partition("?")[0], frozenset(kept)
