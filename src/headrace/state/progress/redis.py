"""The store of several services on one Redis or Valkey: a hash for each request, and scripts that change it whole."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from typing import Any

from headrace.core.errors import StateError, UsageError
from headrace.state.progress import rows
from headrace.state.progress.contract import ACTIVE, ENDED, MAX_EVENTS, Document, Request
from headrace.state.progress.url import shown

_LOOKS = 1_000
"""Requests that one call of the script behind ``find`` looks at: while it does, Redis does nothing else."""
_FORGOTTEN_AT_ONCE = 200
_GREATEST = 2**53
"""Scores are floats."""
_PATIENCE = 5.0


class RedisProgress:
    """:class:`~headrace.state.progress.contract.ProgressStore` in one Redis (6 or newer, no cluster) or Valkey.

    Times, and with them leases, are the server's: the instances' clocks need not agree. Connections that broke are
    made anew by the next call.
    """

    def __init__(self, url: str) -> None:
        """Raises UsageError for a URL that names no Redis, StateError when it cannot be reached."""
        try:
            import redis
            from redis.backoff import NoBackoff
            from redis.retry import Retry
        except ImportError as error:
            raise UsageError("Redis needs redis-py", hint="pip install 'headrace[redis]'") from error
        self._url = shown(url)
        self._error = redis.RedisError
        try:
            # No call is made again by the client: not each can be, and the caller knows what to do.
            self._client = redis.Redis.from_url(
                "redis" + url.removeprefix("valkey").removeprefix("redis"),
                decode_responses=True,
                socket_timeout=_PATIENCE,
                socket_connect_timeout=_PATIENCE,
                retry=Retry(NoBackoff(), 0),
            )
            self._scripts = {name: self._client.register_script(text) for name, text in _scripts().items()}
            self.ping()
        except (ValueError, TypeError) as error:  # an option of the URL is looked at when it connects
            raise UsageError(f"{self._url} is not the URL of a Redis", hint="redis://HOST:6379/0") from error

    def create(self, request: Request, *, key: str = "") -> Request:
        values = _named(zip(rows.COLUMNS, rows.values(request), strict=True))
        first = (request.request_id, request.org, key, request.scope, request.created_at)
        answer, found = self._run("create", *first, *values)
        if answer == "busy":
            raise rows.busy(found)
        return _request(found)

    def get(self, request_id: str) -> Request | None:
        with self._errors():
            found: Any = self._client.hgetall(f"headrace:request:{rows.clean(request_id)}")
        return _request_of(found) if found else None

    def latest(self, *, org: str | None = None) -> Request | None:
        found = self._run("latest", org or "")
        return _request(found) if found else None

    def find(
        self,
        *,
        org: str | None = None,
        pipeline: str | None = None,
        status: Sequence[str] = (),
        before: tuple[int, str] | None = None,
        limit: int = 100,
    ) -> list[Request]:
        index = "headrace:requests" if org is None else f"headrace:requests:{org}"
        score, last = ("", "") if before is None else (str(min(before[0], _GREATEST)), before[1])
        if status and ACTIVE.issuperset(status):  # of a long history they are few
            return [
                _request(each)
                for each in json.loads(self._run("active", org or "", score, last, pipeline or "", limit, *status))
            ]
        found: list[Request] = []
        while len(found) < limit:
            score, last, some = self._run(
                "find", index, score, last, pipeline or "", limit - len(found), _LOOKS, *status
            )
            found += [_request(each) for each in json.loads(some)]  # an empty list of Lua's is {}
            if not score:
                break
        return found

    def update(self, request_id: str, owner: str, **changes: Any) -> bool:
        given = rows.checked(changes)
        ends = "1" if given.get("status") in ENDED else "0"
        return bool(self._run("update", request_id, owner, ends, *_named(given.items())))

    def reopen(self, request_id: str) -> bool:
        answer, *other = self._run("reopen", request_id)
        if other:
            raise rows.busy(other[0])
        return bool(answer == "yes")

    def ask_cancel(self, request_id: str) -> bool:
        return bool(self._run("cancel", request_id))

    def claim(self, owner: str, *, lease_seconds: float) -> Request | None:
        found = self._run("claim", owner, rows.microseconds(lease_seconds))
        return _request(found) if found else None

    def beat(self, owner: str, request_ids: Sequence[str], *, lease_seconds: float) -> frozenset[str]:
        return frozenset(self._run("beat", owner, rows.microseconds(lease_seconds), *request_ids))

    def restore(self, request: Request, owner: str, *, lease_seconds: float) -> bool:
        first = (request.request_id, owner, rows.microseconds(lease_seconds))
        more = (request.org, request.scope, request.created_at)
        values = _named(zip(rows.COLUMNS, rows.values(request), strict=True))
        return bool(self._run("restore", *first, *more, *values))

    def give_back(self, request_id: str, owner: str) -> None:
        self._run("give_back", request_id, owner)

    def append_events(self, request_id: str, events: Sequence[Mapping[str, Any]]) -> int:
        texts = [rows.as_json(event) for event in events[-MAX_EVENTS:]]
        return int(self._run("append", request_id, MAX_EVENTS, len(events), *texts))

    def events(self, request_id: str, *, after: int = 0, limit: int = 500) -> list[tuple[int, dict[str, Any]]]:
        first, texts = self._run("events", request_id, min(after, _GREATEST), limit)
        return [(first + number, json.loads(text)) for number, text in enumerate(texts)]

    def put(self, kind: str, name: str, body: Mapping[str, Any], *, expected: int | None = None) -> int | None:
        version: int = self._run("put", kind, name, rows.as_json(body), "" if expected is None else expected)
        return version or None

    def document(self, kind: str, name: str) -> Document | None:
        with self._errors():
            found: Any = self._client.hget(f"headrace:documents:{rows.clean(kind)}", rows.clean(name))
        return None if found is None else _document(kind, name, found)

    def documents(self, kind: str, *, prefix: str = "") -> list[Document]:
        with self._errors():
            found: Any = self._client.hgetall(f"headrace:documents:{rows.clean(kind)}")
        return [_document(kind, name, found[name]) for name in sorted(found) if name.startswith(prefix)]

    def delete(self, kind: str, name: str) -> bool:
        with self._errors():
            return bool(self._client.hdel(f"headrace:documents:{rows.clean(kind)}", rows.clean(name)))

    def forget(self, *, before: int) -> int:
        total = 0
        while count := self._run("forget", min(before, _GREATEST), _FORGOTTEN_AT_ONCE):
            total += count
        return total

    def ping(self) -> None:
        with self._errors():
            self._client.ping()

    def close(self) -> None:
        """Close the connections; new ones are made when the store is used again."""
        self._client.close()

    def _run(self, script: str, *arguments: Any) -> Any:
        given = [rows.clean(each) if isinstance(each, str) else each for each in arguments]
        with self._errors():
            return self._scripts[script](args=given)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except self._error as error:
            raise StateError(
                f"{self._url}: {error}",
                hint="the service keeps its queue and progress there (REDIS_URL, or progress in its configuration): is it "
                "running, and does this URL reach it?",
            ) from error


@cache
def _scripts() -> dict[str, str]:
    folder = files("headrace.state.progress") / "lua"
    texts = {file.name.removesuffix(".lua"): file.read_text("utf-8") for file in folder.iterdir()}
    common = texts.pop("common")
    return {name: f"{common}\n{text}" for name, text in texts.items()}


def _named(values: Any) -> list[str]:
    return [text for name, value in values for text in (name, "" if value is None else str(value))]


def _request(flat: Sequence[str]) -> Request:
    return _request_of(dict(zip(flat[::2], flat[1::2], strict=True)))


def _request_of(found: Mapping[str, str]) -> Request:
    values: dict[str, Any] = {name: found[name] for name in rows.COLUMNS}
    values |= {name: int(values[name]) for name in (*rows.NUMBERS, "cancel")}
    values["progress"] = float(values["progress"]) if values["progress"] else None
    return rows.request_of(list(values.values()))


def _document(kind: str, name: str, kept: str) -> Document:
    version, _, body = kept.partition("\n")
    return Document(kind, name, json.loads(body), int(version))
