"""``env:NAME``: the key in an environment variable."""

from __future__ import annotations

from collections.abc import Mapping

from headrace.core.errors import KeyUnavailable
from headrace.secrets.keys._local import LocalKey, decoded

USUAL = "HEADRACE_KEY"


def make(rest: str, environ: Mapping[str, str], create: bool) -> LocalKey:
    """Raises KeyUnavailable when the variable (by default ``HEADRACE_KEY``) holds no key; never shows it."""
    name = rest or USUAL
    text = environ.get(name, "")
    key = decoded(text)
    if key is None:
        raise KeyUnavailable(
            f"the environment variable {name} {'holds no key of 32 bytes' if text else 'is not set'}",
            hint=f"make one, and keep a copy: export {name}=$(openssl rand -base64 32)",
        )
    return LocalKey(key)
