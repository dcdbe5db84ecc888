"""Errors on their way out: whatever they quote, no secret of the run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def scrub(error: BaseException, mask: Callable[[str], str]) -> None:
    """Mask the texts of ``error`` in place, and of every error that its traceback would show."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        one.args = _masked(one.args, mask)
        for name, value in list(vars(one).items()):
            if isinstance(value, str | list | tuple):
                setattr(one, name, _masked(value, mask))
        waiting += [one.__cause__, one.__context__]
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions


def _masked(value: Any, mask: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return mask(value)
    if type(value) in (list, tuple):
        return type(value)(_masked(item, mask) for item in value)
    return value
