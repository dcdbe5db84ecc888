"""The body of a request that was given: JSON, a form, GraphQL or text, with its secrets apart."""

from __future__ import annotations

import json
import re
from typing import Any, Protocol
from urllib.parse import parse_qsl

from headrace.discover.telltale import escaped, looks_secret, named_secret


class Maker(Protocol):
    """What takes a secret's place, and remembers empty fields."""

    hints: list[tuple[str, str, str]]

    def hidden(self, value: str, name: str) -> str: ...


def part_body(body: str, content_type: str, maker: Maker) -> dict[str, Any]:
    """``{"body": …}`` or ``{"graphql": …}`` of an extract step."""
    try:
        document = json.loads(body)
    except ValueError:
        document = None
    if isinstance(document, dict) and isinstance(document.get("query"), str) and set(document) <= _GRAPHQL:
        variables = _parted(document.get("variables") or {}, maker, ("variables",))
        return {"graphql": {"query": document["query"], **({"variables": variables} if variables else {})}}
    if isinstance(document, dict | list):
        return {"body": {"json": _parted(document, maker, ())}}
    if "=" in body and not re.search(r"[<\n]", body) and "json" not in content_type and "xml" not in content_type:
        form: dict[str, Any] = {}
        for name, value in parse_qsl(body, keep_blank_values=True):
            if value:
                form[name] = _value(name, value, maker)
            else:
                maker.hints.append(("body", name, value))
        return {"body": {"form": form}}
    return {"body": {"text": escaped(body)}}


_GRAPHQL = {"query", "variables", "operationName"}


def _parted(node: Any, maker: Maker, at: tuple[str, ...]) -> Any:
    if isinstance(node, dict):
        for name, value in node.items():
            if value is None or value == "":
                maker.hints.append(("body", ".".join((*at, name)), ""))
        return {name: _parted(value, maker, (*at, name)) for name, value in node.items()}
    if isinstance(node, list):
        return [_parted(value, maker, at) for value in node]
    return _value(at[-1] if at else "", node, maker) if isinstance(node, str) else node


def _value(name: str, value: str, maker: Maker) -> str:
    if value and (named_secret(name) or looks_secret(value)):
        return maker.hidden(value, name or "BODY")
    text: str = escaped(value)
    return text
