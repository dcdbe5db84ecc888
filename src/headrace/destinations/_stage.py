"""What staged destinations have in common: a URL with options, a store, what they can do."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qsl, quote, urlencode

from pydantic import ValidationError, model_validator

from headrace.core.contracts import Capabilities, Destination, Session
from headrace.core.errors import CannotOpen, StorageFailed, UsageError

if TYPE_CHECKING:
    from headrace.destinations._stage_reader import StageReader
    from headrace.storage.contract import Store

COMMIT_EVERY = 10.0
"""Seconds between commits, so that files are not too many; what waits is in the response cache."""
_ADDS = "files are added, and never made anew"
_GAPS = {
    "test_an_error_leaves_no_trace[append]": _ADDS,
    "test_the_old_rows_are_read_meanwhile": _ADDS,
    "test_rebuilding_a_table_that_is_not_there_yet": _ADDS,
    "test_purged_bodies_are_missed_not_made_up": f"{_ADDS}: what is old goes by a lifecycle rule of the storage",
    "test_purge_of_one_run": f"{_ADDS}: what is old goes by a lifecycle rule of the storage",
    "test_a_damaged_body_is_found[zstd]": "no SQL changes a file",
    "test_a_damaged_body_is_found[none]": "no SQL changes a file",
    "test_eight_sessions_prepare_at_once": "one of its tables is merged",
    "test_an_undisturbed_process_commits_both": "its table is merged",
}


class StageDestination(Destination):
    """Files and manifests below one root."""

    format: Literal["jsonl", "parquet"] = "jsonl"
    """What the files are: JSON Lines or Parquet."""
    compression: Literal["none", "gzip", "zstd"] = "none"
    """How JSON Lines are packed (``.jsonl.gz``, ``.jsonl.zst``); Parquet packs itself."""

    @model_validator(mode="after")
    def _parquet_packs_itself(self) -> StageDestination:
        if self.format == "parquet" and self.compression != "none":
            raise ValueError("compression is for JSON Lines: Parquet packs itself")
        return self

    @abstractmethod
    def store(self) -> Store:
        """The objects below the root."""

    def capabilities(self) -> Capabilities:
        return Capabilities(
            dispositions=frozenset({"append"}),
            concurrent_writers=True,
            keys=False,
            commit_every=COMMIT_EVERY,
            gaps=_GAPS,
        )

    @contextmanager
    def open(self, *, read_only: bool = False) -> Iterator[Session]:
        from headrace.destinations._stage_session import StageSession
        from headrace.storage.retry import Retrying

        store = Retrying(self.store())
        try:
            try:
                session = StageSession(store, (self.format, self.compression), read_only=read_only)
            except StorageFailed as error:
                raise CannotOpen(error.message, place=error.place, hint=error.hint) from error
            yield session
        finally:
            store.close()

    @contextmanager
    def reader(self) -> Iterator[StageReader]:
        """What a loader reads. Raises CannotOpen where nothing was staged."""
        from headrace.destinations._stage_reader import StageReader
        from headrace.storage.retry import Retrying

        store = Retrying(self.store())
        try:
            yield StageReader(store)
        finally:
            store.close()

    def _options(self) -> str:
        """What differs from the defaults, as the end of a URL."""
        given = self.model_dump(exclude_defaults=True, exclude={"type", *self._in_path()})
        return f"?{urlencode(given, quote_via=quote, safe=':/')}" if given else ""

    @classmethod
    @abstractmethod
    def _in_path(cls) -> frozenset[str]:
        """The fields that the URL holds before its question mark."""

    @classmethod
    def _made(cls, options: str, example: str, **fields: str) -> Any:
        """From the parts of a URL. Raises UsageError."""
        given = dict(parse_qsl(options, keep_blank_values=True))
        allowed = sorted(set(cls.model_fields) - {"type"} - cls._in_path())
        for name in given:
            if name not in allowed:
                raise UsageError(
                    f"{name!r} is not an option of this destination", hint=f"options: {', '.join(allowed)}; {example}"
                )
        try:
            return cls(**fields, **given)
        except ValidationError as error:
            first = error.errors()[0]
            at = ".".join(map(str, first["loc"]))
            message = f"{at}: {first['msg']}" if at else first["msg"].removeprefix("Value error, ")
            raise UsageError(message, hint=example) from None
