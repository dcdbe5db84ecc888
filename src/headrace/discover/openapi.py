"""An OpenAPI 3 or Swagger 2 document: which of its operations list records, and a draft of one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

from headrace.core.errors import InputError
from headrace.core.suggest import did_you_mean
from headrace.discover.asked import Asked, provider_of
from headrace.discover.draft import Draft, name_of, text_of
from headrace.discover.named import named
from headrace.discover.places import is_position
from headrace.discover.records import columns, is_usual, key_of, lists, types
from headrace.discover.schema import Schemas
from headrace.discover.telltale import escaped

_SIZES = re.compile(
    r"(?:page[-_]?)?(?:size|limit)|per[-_]?page|limit|page\[size\]|count|top|\$top|first|take", re.IGNORECASE
)
_NAME = re.compile(r"[A-Za-z_][\w-]*")


@dataclass(frozen=True)
class Endpoint:
    """An operation that answers a list of objects; ``path`` as the document writes it."""

    path: str
    summary: str
    operation: Mapping[str, Any]
    parameters: tuple[Mapping[str, Any], ...]
    example: Any
    """An answer made from its schema."""
    single: bool = False
    """One thing that holds a list: drafted when it is named."""


def is_openapi(document: Any) -> bool:
    return (
        isinstance(document, dict)
        and ("openapi" in document or "swagger" in document)
        and isinstance(document.get("paths"), dict)
    )


class Description:
    """A document whose ``source`` (a file's name or a URL) is said in the draft."""

    def __init__(self, document: Mapping[str, Any], source: str) -> None:
        self._document, self._source = document, source
        self._schemas = Schemas(document)
        self.endpoints = list(self._found())

    def draft(self, wanted: str | None) -> str:
        """The text of a pipeline file for the endpoint ``wanted``: its path, or the only one there is. Nothing is
        asked of the API. Raises InputError, which lists the endpoints."""
        listed = [one for one in self.endpoints if not one.single] or self.endpoints
        paths = [one.path for one in listed]
        if not paths:
            raise InputError(
                "no operation of this document answers a list of objects", hint="draft it from a URL instead"
            )
        if wanted is None and len(paths) > 1:
            shown = "\n".join(f"  {one.path}  {one.summary}".rstrip() for one in listed[:200])
            raise InputError(f"{len(paths)} endpoints list records:\n{shown}", hint="choose one: --endpoint PATH")
        chosen = next((one for one in (*listed, *self.endpoints) if wanted in (None, one.path)), None)
        if chosen is None:
            raise InputError(
                f"--endpoint {wanted}: there is no such list{did_you_mean(str(wanted), paths)}",
                hint="without --endpoint, all are listed",
            )
        return self._text(chosen)

    def _found(self) -> Iterator[Endpoint]:
        for path, item in self._document["paths"].items():
            item = self._schemas.resolved(item)
            operation = self._schemas.resolved(item.get("get")) if isinstance(item, dict) else None
            if not isinstance(operation, dict) or not str(path).startswith("/"):
                continue
            example = self._answer(operation)
            found = lists(example)
            if not found:
                continue
            single = str(path).rstrip("/").endswith("}") and found[0].path != "" and not is_usual(found[0].path)
            given = [*_list(item.get("parameters")), *_list(operation.get("parameters"))]
            parameters = {
                (p.get("in"), p.get("name")): p for p in map(self._schemas.resolved, given) if isinstance(p, dict)
            }
            summary = re.sub(r"\s+", " ", str(operation.get("summary") or operation.get("operationId") or ""))[:80]
            yield Endpoint(str(path), summary, operation, tuple(parameters.values()), example, single)

    def _answer(self, operation: Mapping[str, Any]) -> Any:
        answers = operation.get("responses")
        for status in ("200", 200, "2XX", "default"):
            answer = self._schemas.resolved(answers.get(status)) if isinstance(answers, dict) else None
            if not isinstance(answer, dict):
                continue
            if "schema" in answer:  # Swagger 2
                return self._schemas.example(answer["schema"])
            for kind, media in (answer.get("content") or {}).items():
                if "json" in str(kind) and isinstance(media, dict) and "schema" in media:
                    return self._schemas.example(media["schema"])
        return None

    def _base(self) -> str:
        document = self._document
        if "swagger" in document:
            host = document.get("host") or urlsplit(self._source).netloc
            scheme = (_list(document.get("schemes")) or ["https"])[0]
            return f"{scheme}://{host}{document.get('basePath') or ''}".rstrip("/") if host else "{base_url}"
        servers = _list(document.get("servers"))
        server = servers[0] if servers and isinstance(servers[0], dict) else {}
        url = str(server.get("url") or "/")
        for name, variable in (server.get("variables") or {}).items():
            url = url.replace(f"{{{name}}}", str(variable.get("default", "")))
        if not re.match(r"https?://", url) and re.match(r"https?://", self._source):
            url = urljoin(self._source, url)
        url = re.sub(r"(?<![:/])//+", "/", url)
        return url.rstrip("/") if re.match(r"https?://[^/]", url) else "{base_url}"

    def _text(self, endpoint: Endpoint) -> str:
        base = self._base()
        found = lists(endpoint.example)[0]
        host = urlsplit(base).hostname or ""
        provider = provider_of(host) if host else "MY_API"
        config: dict[str, Any] = {"url": re.sub(r"\{([^}]*)\}", lambda m: f"{{{_variable(m[1])}}}", endpoint.path)}
        inputs = sorted(set(re.findall(r"\{([^}]*)\}", config["url"])))
        notes = [f"inputs: {', '.join(inputs)}"] if inputs else []
        if base == "{base_url}":
            notes.append("The document names no server: give base_url as an input, or write it below.")
        if params := dict(self._params(endpoint)):
            config["params"] = params
        auth, said = self._auth(endpoint.operation, provider)
        if auth is not None:
            config["auth"] = auth
        offered = [str(p["name"]) for p in endpoint.parameters if p.get("in") == "query" and "name" in p]
        paging, why = named(endpoint.example, found.path, offered)
        size = next((name for name in offered if _SIZES.fullmatch(name)), None)
        more = f" Page size: {size}." if size is not None else ""
        called, names = name_of(endpoint.path), columns(list(found.records))
        key = key_of(names, list(found.records), called)
        return text_of(
            Draft(
                name=called,
                source=f"{self._source} ({endpoint.path})",
                asked=Asked(config, base, provider, notes=(*notes, *said, "Nothing was asked of the API: `headrace preview` shows whether this holds.")),
                data_path=found.path,
                data_note="From the schema of the answer.",
                pagination=paging,
                paging_note=f"Guessed, not tried: {why}.{more}",
                columns=names,
                types=types(names, [json.dumps(list(found.records)).encode()]),
                key=key,
                key_note="Guessed from its name." if key is not None else "No field is called like an id: rows are appended. Name one, such as key: [id].",
                more={},
            )
        )  # fmt: skip

    def _params(self, endpoint: Endpoint) -> Iterator[tuple[str, Any]]:
        """What has to be given: a default as it is, anything else as an input."""
        for parameter in endpoint.parameters:
            name = str(parameter.get("name", ""))
            if parameter.get("in") != "query" or not parameter.get("required") or is_position(name, "1"):
                continue
            schema = self._schemas.resolved(parameter.get("schema")) or parameter
            value = None
            if isinstance(schema, dict):
                value = schema.get("default", next(iter(_list(schema.get("enum"))), None))
            yield name, escaped(value) if isinstance(value, str | int | float | bool) else f"{{{_variable(name)}}}"

    def _auth(self, operation: Mapping[str, Any], provider: str) -> tuple[dict[str, Any] | None, tuple[str, ...]]:
        components = self._document.get("components") or {}
        schemes = components.get("securitySchemes") or self._document.get("securityDefinitions") or {}
        wanted = operation.get("security", self._document.get("security"))
        names = [name for one in _list(wanted) if isinstance(one, dict) for name in one]
        found = [s for s in (self._schemas.resolved(schemes.get(name)) for name in names) if isinstance(s, dict)]
        for scheme in found:
            kind, place, name = scheme.get("type"), scheme.get("in"), str(scheme.get("name", ""))
            flavour = str(scheme.get("scheme", "")).lower()
            if kind == "basic" or (kind == "http" and flavour == "basic"):
                return {"type": "basic", "provider": provider}, ()
            if kind == "apiKey" and place == "header" and re.fullmatch(r"[\w-]+", name):
                return {"type": "header", "header_name": name, "provider": provider}, ()
            if kind == "apiKey" and place == "query" and name:
                return {"type": "query", "param_name": name, "provider": provider}, ()
            if kind in ("http", "openIdConnect") or (kind == "oauth2" and not _token_url(scheme)):
                return {"type": "bearer", "provider": provider}, ()
            if kind == "oauth2":
                return {"type": "oauth2", "token_url": _token_url(scheme), "provider": provider}, ()
        return None, (
            ("the document asks for a kind of authentication that has to be written by hand",) if found else ()
        )


def _token_url(scheme: Mapping[str, Any]) -> str:
    flows = scheme.get("flows") or {"": scheme}
    urls = [flow.get("tokenUrl") for flow in flows.values() if isinstance(flow, dict)]
    return next((str(url) for url in urls if url and re.match(r"https?://", str(url))), "")


def _variable(name: str) -> str:
    word = re.sub(r"[^\w-]", "_", name)
    return word if _NAME.fullmatch(word) else f"_{word}"


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
