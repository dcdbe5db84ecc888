"""Which store a URL names."""

from __future__ import annotations

from pathlib import Path

from headrace.core.clock import Clock
from headrace.core.errors import UsageError
from headrace.state.folder import state_folder
from headrace.state.progress.contract import ProgressStore

FILE = "service.db"
SCHEMES = ("redis", "rediss", "valkey", "valkeys", "postgresql", "postgres")


def open_progress(url: str | None = None, folder: Path | None = None, *, clock: Clock | None = None) -> ProgressStore:
    """The store at ``url`` (``redis://``, ``rediss://``, ``valkey://``, ``valkeys://``, ``postgresql://``); without
    one, the SQLite file ``service.db`` in ``folder`` (``None``: the state folder).

    Raises UsageError for another URL or a missing package, StateError when the store cannot be reached.
    """
    if url is None:
        from headrace.state.progress.sqlite import SqliteProgress

        return SqliteProgress((folder or state_folder()) / FILE, clock=clock)
    scheme, _, rest = url.partition("://")
    if rest and scheme in ("redis", "rediss", "valkey", "valkeys"):
        from headrace.state.progress.redis import RedisProgress

        return RedisProgress(url)
    if rest and scheme in ("postgresql", "postgres"):
        from headrace.state.progress.postgresql import PostgresProgress

        return PostgresProgress(url)
    raise UsageError(
        f"the service cannot keep its progress at a URL that begins with {(scheme if rest else '')!r}",
        hint=f"it can be {', '.join(f'{name}://' for name in SCHEMES)}; without one it is a file of the state folder",
    )
