"""Which elements become rows."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from headrace.core.paths import Path, parse
from headrace.core.templates import Lookup, render_tree
from headrace.mapping.cells import Cell, Json, Num, from_python, text_of
from headrace.mapping.coerce import decimal_of
from headrace.mapping.config import Condition

Test = Callable[[list[Cell]], bool]
"""Whether the values at a path (none, one, or with ``*`` several) let the element through."""

_ORDER: Mapping[str, Callable[[Any, Any], bool]] = {
    "gt": operator.gt, "ge": operator.ge, "lt": operator.lt, "le": operator.le,
}  # fmt: skip


def tests(where: Mapping[str, Any], lookup: Lookup) -> list[tuple[Path, Test]]:
    """One test for each path; all must hold."""
    return [(parse(path), _test(wanted, lookup)) for path, wanted in where.items()]


def _test(wanted: Any, lookup: Lookup) -> Test:
    if wanted == "present":
        return lambda found: any(cell is not None for cell in found)
    if wanted == "absent":
        return lambda found: all(cell is None for cell in found)
    if isinstance(wanted, Condition):
        given = {name: from_python(render_tree(getattr(wanted, name), lookup)) for name in wanted.model_fields_set}
        checks = [_compare(name, value) for name, value in given.items()]
        return lambda found: any(all(check(cell) for check in checks) for cell in found or [None])
    rendered = render_tree(wanted, lookup)
    options = [from_python(x) for x in (rendered if isinstance(rendered, list) else [rendered])]
    return lambda found: any(equal(cell, option) for cell in found or [None] for option in options)


def _compare(name: str, wanted: Cell) -> Callable[[Cell], bool]:
    if name == "eq":
        return lambda cell: equal(cell, wanted)
    if name == "ne":
        return lambda cell: not equal(cell, wanted)
    order = _ORDER[name]

    def check(cell: Cell) -> bool:
        if isinstance(wanted, Num):
            ours, theirs = _number(cell), decimal_of(wanted.text)
            return ours is not None and theirs is not None and order(ours, theirs)
        if cell is None or wanted is None or isinstance(cell, bool | Json):
            return False
        return order(text_of(cell), text_of(wanted))

    return check


def equal(cell: Cell, wanted: Cell) -> bool:
    """Numbers by value, also where the answer writes them as text; everything else by its text."""
    if cell is None or wanted is None:
        return cell is wanted
    if isinstance(cell, bool) or isinstance(wanted, bool):
        return cell is wanted
    if isinstance(wanted, Num):
        return _number(cell) == decimal_of(wanted.text)
    return text_of(cell) == text_of(wanted)


def _number(cell: Cell) -> Decimal | None:
    return decimal_of(text_of(cell).strip()) if isinstance(cell, str | Num) else None
