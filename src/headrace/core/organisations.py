"""Who asks: the name of an organisation, and what it may see of another's (nothing)."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from headrace.core.errors import InputError

_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
VARIABLE = "HEADRACE_ORG"


def org_slug(text: str) -> str:
    """``text``, when it may name an organisation: it becomes part of keys and names. Raises InputError."""
    if not _SLUG.fullmatch(text):
        raise InputError(
            f"{text!r} is not the name of an organisation",
            hint="letters, digits, '_', '-' and '.', the first a letter or digit, at most 63: acme, acme-eu",
        )
    return text


def asking(org: str | None = None, environ: Mapping[str, str] | None = None) -> str | None:
    """The organisation on whose behalf something is asked: ``org``, else ``HEADRACE_ORG``; ``None``: nobody's, by the
    person whose machine it is, who sees all. Raises InputError for a name that is none."""
    found = org or (os.environ if environ is None else environ).get(VARIABLE) or None
    return None if found is None else org_slug(found)


def check_owner(run_id: str, owner: str, asked: str | None) -> None:
    """Raises InputError when the run belongs to another organisation; the message tells nothing of whose it is."""
    if asked is not None and owner != asked:
        raise InputError(
            f"organisation {asked!r} has no run {run_id!r}",
            hint=f"`headrace runs --org {asked}` lists those that it has",
        )
