"""JSON Schemas of an API description: what an answer looks like."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_DEEPEST = 8
_MOST = 2_000
_PLAIN: Mapping[str, Any] = {"string": "text", "integer": 1, "number": 1.5, "boolean": True}


class Schemas:
    """Reads schemas with their references, which may be circular, within the document alone."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._left = 0

    def resolved(self, node: Any) -> Any:
        """``node``, or what its ``$ref`` leads to; ``None`` for one that leads nowhere."""
        for _ in range(20):
            if not isinstance(node, dict) or not isinstance(node.get("$ref"), str):
                return node
            target: Any = self._document
            pointer = node["$ref"]
            if not pointer.startswith("#/"):
                return None
            for part in pointer[2:].split("/"):
                target = target.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(target, dict) else None
            node = target
        return None

    def example(self, schema: Any) -> Any:
        """A value that fits ``schema``: one element in each list, every property of each object."""
        self._left = _MOST
        return self._made(schema, 0)

    def _made(self, schema: Any, depth: int) -> Any:
        schema, self._left = self.resolved(schema), self._left - 1
        if not isinstance(schema, dict) or depth > _DEEPEST or self._left < 0:
            return None
        for word in ("oneOf", "anyOf"):
            options = [self.resolved(one) for one in schema.get(word) or () if isinstance(one, dict)]
            options = [one for one in options if isinstance(one, dict) and one.get("type") != "null"]
            if options and "properties" not in schema:
                return self._made(options[0], depth + 1)
        kind = schema.get("type")
        if isinstance(kind, list):
            kind = next((one for one in kind if one != "null"), None)
        if isinstance(schema.get("allOf"), list):
            parts = [self._made(part, depth + 1) for part in schema["allOf"]]
            objects = [part for part in parts if isinstance(part, dict)]
            if not objects and not schema.get("properties"):
                return next((part for part in parts if part is not None), None)
            return {name: value for part in [*objects, self._members(schema, depth)] for name, value in part.items()}
        if kind == "array" or "items" in schema:
            item = self._made(schema.get("items"), depth + 1)
            return [] if item is None else [item]
        if kind == "object" or "properties" in schema:
            return self._members(schema, depth)
        return _PLAIN.get(str(kind))

    def _members(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        properties = schema.get("properties")
        if not isinstance(properties, dict):
            return {}
        return {str(name): self._made(value, depth + 1) for name, value in properties.items()}
