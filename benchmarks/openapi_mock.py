"""A server that answers as an OpenAPI document says: a list in two pages, made from its schemas and examples.

It shares no code with ``headrace.discover``, which it is there to try. What it answers is never a result on the real API.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from headrace.testing.loopback import Asked, Reply, listening

RECORDS = 3
"""On each of the two pages."""
_POSITION = re.compile(
    r"(?:.*[^a-z])?(?:page(?:_?(?:number|index|token|id))?|offset|skip|start(?:_?(?:at|index|after|cursor))?|starting_?after|after|cursor"
    r"|next|marker|continuation.*|p|pg|from|since|next_?token|.*cursor|.*page_?token)\]?", re.IGNORECASE,
)  # fmt: skip
_NEXT = re.compile(r".*next.*|.*cursor.*|.*after.*|.*continu.*|.*page_?token|.*marker.*", re.IGNORECASE)
_BACK = re.compile(r".*(?:prev|before|first|last|self).*", re.IGNORECASE)
_MORE = re.compile(r"(?:has|is|more).*(?:more|next|available|results).*|more|truncated|istruncated", re.IGNORECASE)
_TOTAL = re.compile(
    r"(?:total|count)(?:_?(?:count|results|records|items|size|elements|hits|number))?|.*total.*", re.IGNORECASE
)
_PAGES = re.compile(r".*pages.*|.*page_?count.*|last_?page", re.IGNORECASE)
_IDS = re.compile(r"_?id|uuid|guid|key|slug|code|name|.*_id|.*[a-z]Id|sku|number|arn|title", re.IGNORECASE)
_OBJECTS = {"type": "object"}


@dataclass
class Document:
    """An API description, and values that fit its schemas: always the same for one ``seed``."""

    root: Mapping[str, Any]
    seed: int = 1
    left: int = field(default=0, init=False)

    def at(self, node: Any) -> Any:
        for _ in range(30):
            if not isinstance(node, dict) or not isinstance(node.get("$ref"), str):
                return node
            target: Any = self.root
            for part in node["$ref"].removeprefix("#/").split("/") if node["$ref"].startswith("#/") else ["?"]:
                part = unquote(part.replace("~1", "/").replace("~0", "~"))
                target = (
                    target.get(part, target.get(int(part) if part.isdigit() else part)) if isinstance(target, dict)
                    else target[int(part)] if isinstance(target, list) and part.isdigit() else None
                )  # fmt: skip
            node = target
        return None

    def value(self, schema: Any, name: str, number: int, depth: int = 0) -> Any:
        """A value of ``schema`` for record ``number``."""
        schema, self.left = self.at(schema), self.left - 1
        rng = random.Random(f"{self.seed}/{name}/{number}")
        if not isinstance(schema, dict) or self.left < 0 or depth > 9:
            return None
        kind = schema.get("type")
        kinds = [k for k in kind if k != "null"] if isinstance(kind, list) else [kind]
        kind = kinds[0] if kinds else None
        for word in ("example", "default"):
            given = schema.get(word)
            scalar = isinstance(given, str | int | float | bool)
            if scalar and not _IDS.fullmatch(name) and self._fits(given, kind):
                return given
        if isinstance(schema.get("enum"), list) and schema["enum"]:
            return rng.choice([v for v in schema["enum"] if v is not None] or [None])
        if "const" in schema:
            return schema["const"]
        if isinstance(schema.get("allOf"), list):
            parts = [self.value(part, name, number, depth + 1) for part in schema["allOf"]]
            own = {k: v for k, v in schema.items() if k != "allOf"}
            parts.append(self.value(own, name, number, depth + 1) if set(own) & {"properties", "items"} else None)
            objects = [part for part in parts if isinstance(part, dict)]
            if objects:
                return {k: v for part in objects for k, v in part.items()}
            return next((part for part in parts if part is not None), None)
        for word in ("oneOf", "anyOf"):
            options = [self.at(one) for one in schema.get(word) or () if isinstance(one, dict)]
            options = [one for one in options if isinstance(one, dict) and one.get("type") != "null"]
            if options and "properties" not in schema:
                return self.value(options[0], name, number, depth + 1)
        if kind == "array" or (kind is None and "items" in schema):
            count = RECORDS if depth < 6 else 1
            items = [self.value(schema.get("items") or {}, name, number * RECORDS + n, depth + 1) for n in range(count)]
            return [item for item in items if item is not None]
        if kind == "object" or "properties" in schema or "additionalProperties" in schema:
            found = {}
            properties = schema.get("properties")
            for inner, part in properties.items() if isinstance(properties, dict) else ():
                resolved = self.at(part)
                if isinstance(resolved, dict) and resolved.get("writeOnly"):
                    continue
                found[str(inner)] = self.value(part, str(inner), number, depth + 1)
            if not found and isinstance(schema.get("additionalProperties"), dict):
                for n in range(RECORDS):
                    found[f"{name}_{number * RECORDS + n}"] = self.value(
                        schema["additionalProperties"], name, number * RECORDS + n, depth + 1
                    )
            return found
        return self._scalar(kind, schema, name, number, rng)

    @staticmethod
    def _fits(given: Any, kind: Any) -> bool:
        wanted = {"string": str, "integer": int, "number": (int, float), "boolean": bool}.get(str(kind))
        return wanted is not None and isinstance(given, wanted) and (kind == "boolean" or not isinstance(given, bool))

    @staticmethod
    def _scalar(kind: Any, schema: Mapping[str, Any], name: str, number: int, rng: random.Random) -> Any:
        shape = str(schema.get("format", ""))
        if kind == "integer":
            least = schema.get("minimum", 1)
            return (int(least) if isinstance(least, int | float) else 1) + number
        if kind == "number":
            return round(rng.uniform(1, 1000), 2)
        if kind == "boolean":
            return rng.random() < 0.5
        if kind == "string":
            if shape in ("date-time", "date"):
                day = f"2025-{number % 12 + 1:02}-{number % 28 + 1:02}"
                return day if shape == "date" else f"{day}T10:00:00Z"
            if shape == "uuid":
                return str(__import__("uuid").UUID(int=rng.getrandbits(128), version=4))
            if shape in ("uri", "url"):
                return f"https://example.com/{name}/{number}"
            return f"{name}-{number}"
        return None


@dataclass
class Listing:
    """One GET of the document, and whether its answer has a list of objects."""

    document: Document
    path: str
    operation: Mapping[str, Any]
    parameters: list[Mapping[str, Any]]

    @property
    def schema(self) -> tuple[Any, Any]:
        """Schema and example of what it answers."""
        answers = self.operation.get("responses") or {}
        for status in ("200", 200, "201", "2XX", "default"):
            answer = self.document.at(answers.get(status)) if isinstance(answers, dict) else None
            if not isinstance(answer, dict):
                continue
            if "schema" in answer:
                examples = answer.get("examples") or {}
                return answer["schema"], examples.get("application/json") if isinstance(examples, dict) else None
            for kind, media in (answer.get("content") or {}).items():
                if "json" in str(kind) and isinstance(media, dict):
                    named = [self.document.at(one) for one in (media.get("examples") or {}).values()]
                    given = media.get("example", next((o.get("value") for o in named if isinstance(o, dict)), None))
                    return media.get("schema"), given
        return None, None

    @property
    def positions(self) -> list[str]:
        """The parameters that say where in the list to begin."""
        offered = [str(p.get("name")) for p in self.parameters if p.get("in") == "query"]
        return [name for name in offered if _POSITION.fullmatch(name)]

    @property
    def paged(self) -> bool:
        """Whether the document knows of a second page at all."""
        made = self.page(1)
        first = _steered(made, 1, "link://")
        leads = bool(self.positions) or "link://" in json.dumps(first)
        told = leads and first != _steered(made, 2, "link://")
        return told or not {name.lower() for name in self.positions}.isdisjoint(("page", "offset", "skip", "start"))

    def page(self, number: int) -> Any:
        """Page 1 or 2; an example counts where the schema says nothing."""
        schema, example = self.schema
        self.document.left = 4_000
        made = self.document.value(schema, "item", number * 10) if schema is not None else None
        return example if made in (None, {}, []) else made


@dataclass
class Served:
    """What the mock was asked."""

    url: str = ""
    requests: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def _steered(node: Any, page: int, link: str, depth: int = 0) -> Any:
    """What stands around the records, as the first or second of two pages says it."""
    if not isinstance(node, dict) or depth > 4:
        return node
    found = {}
    for name, value in node.items():
        flat = name.replace("_", "").replace("-", "").lower()
        if isinstance(value, list) or (isinstance(value, dict) and not _NEXT.fullmatch(name)):
            found[name] = _steered(value, page, link, depth + 1)
        elif isinstance(value, bool):
            found[name] = page == 1 if _MORE.fullmatch(name) else value
        elif _PAGES.fullmatch(name) and isinstance(value, int):
            found[name] = 2
        elif _TOTAL.fullmatch(name) and isinstance(value, int):
            found[name] = 2 * RECORDS
        elif flat in ("page", "pagenumber", "currentpage", "pageindex") and isinstance(value, int):
            found[name] = page
        elif flat in ("limit", "perpage", "pagesize", "size") and isinstance(value, int):
            found[name] = RECORDS
        elif flat in ("offset", "skip", "startat") and isinstance(value, int):
            found[name] = (page - 1) * RECORDS
        elif _NEXT.fullmatch(name) and not _BACK.fullmatch(name) and not isinstance(value, bool):
            if page == 2:
                found[name] = None
            elif isinstance(value, dict):
                found[name] = {k: link if isinstance(v, str) else v for k, v in value.items()}
            elif isinstance(value, int):
                found[name] = 2
            else:
                as_link = re.search(r"ur[il]|link|href", name, re.IGNORECASE) or "://" in str(value) or flat == "next"
                found[name] = link if as_link else "second"
        else:
            found[name] = value
    return found


@contextmanager
def serving(listing: Listing, scheme: str, secured: bool) -> Iterator[Served]:
    """The mock on loopback, for one listing of an API of that ``scheme``. Without a required parameter it answers 400, without a key 401."""
    pattern = re.compile(".*" + re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(listing.path)) + "/?$")
    needed = [str(p.get("name")) for p in listing.parameters if p.get("in") == "query" and p.get("required")]
    positions = listing.positions

    served = Served()

    def answer(asked: Asked) -> Reply:
        if asked.method == "POST":
            return Reply.json({"access_token": "mock", "token_type": "bearer", "expires_in": 3600})
        served.requests.append(asked.target)
        status, document = page_or_refusal(asked)
        if status != 200:
            served.refused.append(f"{status} {json.dumps(document)[:100]}")
        return Reply.json(document, status)

    def page_or_refusal(asked: Asked) -> tuple[int, Any]:
        given = parse_qs(urlsplit(asked.target).query, keep_blank_values=True)
        query = {name: values[-1] for name, values in given.items()}
        missing = [name for name in needed if name not in query and name not in positions]
        if not pattern.fullmatch(unquote(asked.path)):
            return 404, {"error": f"there is no {asked.path}"}
        if missing:
            return 400, {"error": f"{', '.join(missing)} must be given"}
        if secured and not any("mock" in value or "bW9jaz" in value for value in [str(asked.headers), *query.values()]):
            return 401, {"error": "no key"}
        if any(query.get(name, "").isdigit() and _past(name, int(query[name])) for name in positions):
            page = 3
        else:
            beyond = any(_beyond(name, query[name]) for name in positions if name in query)
            page = 2 if "second_page" in query or beyond else 1
        link = f"{scheme}://{asked.headers['Host']}{asked.path}?second_page=1"
        extra = "".join(f"&{name}={quote(query[name])}" for name in needed if name in query)
        body = _emptied(listing.page(2)) if page == 3 else listing.page(page)
        return 200, _steered(body, min(page, 2), link + extra)

    with listening(answer) as served.url:
        yield served


def _numbered(name: str) -> bool:
    return re.search(r"offset|skip|start|from", name, re.IGNORECASE) is None


def _beyond(name: str, value: str) -> bool:
    """Whether a position is behind the first page."""
    if not value.isdigit():
        return value != ""
    return int(value) > (1 if _numbered(name) else 0)


def _past(name: str, value: int) -> bool:
    """Whether it is behind the second."""
    return value > 2 if _numbered(name) and not re.search(r"after|cursor|token", name) else value >= 2 * RECORDS


def _emptied(node: Any) -> Any:
    if isinstance(node, list):
        return []
    return {name: _emptied(value) for name, value in node.items()} if isinstance(node, dict) else node
