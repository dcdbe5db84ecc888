"""``env:NAME``: an environment variable."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from headrace.core.errors import SecretMissing


def read(name: str, environ: Mapping[str, str], warn: Callable[[str], None] | None) -> str:
    if not environ.get(name):
        raise SecretMissing(f"the environment variable {name} is not set", hint=f"write: export {name}=...")
    return environ[name]
