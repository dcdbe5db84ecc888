"""Who asks, and what they may do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import Depends

Scope = Literal["read", "run", "admin"]


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever sent a request."""

    org: str = "default"
    scopes: frozenset[str] = frozenset({"read", "run", "admin"})
    name: str = ""


def needs(scope: Scope) -> Callable[..., Caller]:
    """The dependency of a route that only callers with ``scope`` may use."""

    def caller() -> Caller:
        return Caller()

    return caller


Reader: Any = Annotated[Caller, Depends(needs("read"))]
Runner: Any = Annotated[Caller, Depends(needs("run"))]
Admin: Any = Annotated[Caller, Depends(needs("admin"))]
