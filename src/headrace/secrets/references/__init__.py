"""Secrets by reference: a module for each place, named as a reference begins (``aws:NAME`` is ``aws.py``)."""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Callable, Mapping

from headrace.core.errors import InputError, SecretMissing
from headrace.core.suggest import did_you_mean


def names() -> list[str]:
    """What a reference may begin with."""
    return [m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_")]


def read_reference(text: str, environ: Mapping[str, str], warn: Callable[[str], None] | None = None) -> str:
    """The secret that ``text`` names: ``env:NAME``, ``file:PATH``, ``aws:NAME`` (AWS Secrets Manager) or
    ``google:projects/P/secrets/S[/versions/V]``; with ``#member``, that member of a JSON secret.

    Raises InputError for a text that names no place, SecretMissing when there is no such secret or it cannot be
    read. Neither shows a secret.
    """
    scheme, colon, rest = text.partition(":")
    path, hash_, member = rest.rpartition("#") if "#" in rest else (rest, "", "")
    known = names()
    if not colon or scheme not in known or not path:
        hint = did_you_mean(scheme, known) if colon else ""
        raise InputError(
            f"{text!r} names no secret{hint}", hint=f"write one of {', '.join(f'{name}:...' for name in known)}"
        )
    value: str = importlib.import_module(f"{__name__}.{scheme}").read(path, environ, warn)
    return _member(value, member, text) if hash_ else value


def _member(value: str, member: str, text: str) -> str:
    try:
        members = json.loads(value)
    except ValueError:
        members = None
    if not isinstance(members, dict):
        raise SecretMissing(f"the secret {text!r} is not a JSON object, so it has no member {member!r}")
    if members.get(member) in (None, ""):
        known = ", ".join(map(str, members)) or "none"
        raise SecretMissing(f"the secret {text!r} has no member {member!r}", hint=f"its members: {known}")
    found = members[member]
    return found if isinstance(found, str) else json.dumps(found)
