"""A file's ``params`` and a run's values, as the pairs of a query string."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from headrace.core.errors import InputError
from headrace.core.http import Pairs
from headrace.core.templates import Lookup, as_text, render


def resolve_params(params: Mapping[str, Any], lookup: Lookup, repeat: Collection[str] = ()) -> Pairs:
    """The query parameters of a request, in the file's order.

    A value of ``None`` leaves its key out (an absent optional input is one). A list is comma-joined, or for
    the keys in ``repeat`` sent as a repeated key. An entry that is one variable holding a map is replaced
    by the map's members, which win over entries of the same name. Raises InputError for other nested values.
    """
    found: dict[str, Any] = {}
    merged: dict[str, Any] = {}
    for key, template in params.items():
        value = render(template, lookup) if isinstance(template, str) else _render_list(key, template, lookup)
        if isinstance(value, Mapping):
            merged.update(value)
        elif value is not None:
            found[key] = value
    pairs: list[tuple[str, str]] = []
    for key, value in {**found, **merged}.items():
        if isinstance(value, Mapping):
            raise _nested(key)
        if value is None:
            continue
        if isinstance(value, list | tuple) and key in repeat:
            pairs += [(key, as_text(item)) for item in value]
        else:
            pairs.append((key, as_text(value)))
    return tuple(pairs)


def _render_list(key: str, value: Any, lookup: Lookup) -> Any:
    if isinstance(value, Mapping):
        raise _nested(key)
    if isinstance(value, list | tuple):
        items = [render(item, lookup) if isinstance(item, str) else item for item in value]
        if any(isinstance(item, Mapping) for item in items):
            raise _nested(key)
        return [item for item in items if item is not None]
    return value


def _nested(key: str) -> InputError:
    return InputError(
        f"a mapping cannot be sent as a query parameter: {key}",
        hint=f'write one entry for each member, as the API names it, such as "{key}[gte]": 1',
        place=f"params.{key}",
    )
