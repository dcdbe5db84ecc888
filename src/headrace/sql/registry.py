"""The rules by what they are for: files of ``rules/`` enter them, a rewriting asks for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlglot import exp

Rule = Callable[[Any, Any], exp.Expr]
"""From the rewriting under way and a node to what stands in its place."""
RULES: dict[type[exp.Expr], Rule] = {}
FUNCTIONS: dict[str, Rule] = {}


def rule(*kinds: type[exp.Expr]) -> Callable[[Rule], Rule]:
    """The rule for nodes of these classes."""

    def keep(made: Rule) -> Rule:
        RULES.update(dict.fromkeys(kinds, made))
        return made

    return keep


def function(*names: str) -> Callable[[Rule], Rule]:
    """The rule for calls that the library does not know."""

    def keep(made: Rule) -> Rule:
        FUNCTIONS.update(dict.fromkeys(names, made))
        return made

    return keep
