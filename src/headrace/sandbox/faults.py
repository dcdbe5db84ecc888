"""The switch list: every fault that the sandbox can show, what it does, and what a correct client makes of it.

A rule (``POST /__faults``, or :attr:`Options.faults`) names a fault, the requests it concerns and the
fault's parameters::

    {"fault": "reset", "path": "/shows/*", "nth": 3}
    {"fault": "status_503", "probability": 0.02, "seed": 7, "params": {"after": 1}}

``path`` (a glob) and ``contains`` (part of the target) choose requests; of those, counted from 1, ``nth``
(a number or a list), ``every`` and ``after`` choose further, ``probability`` draws with ``seed``, and
``times`` bounds how often it fires.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from headrace.sandbox.draw import Draw
from headrace.sandbox.http import Incoming

Stage = Literal["before", "meaning", "body", "wire", "limit"]
"""Where it strikes: instead of the answer, in what the page says, in its text, in its bytes, or by counting."""

Outcome = Literal["exact", "failure", "exact or failure", "suspect"]
"""Of a correct client: the same tables as undisturbed; a clear error that names the cause, with what was
committed before kept; either of the two, never a wrong table reported as done; an end that is not ``done``."""


@dataclass(frozen=True)
class Fault:
    """One entry of the switch list."""

    name: str
    kind: str
    stage: Stage
    description: str
    must: Outcome
    because: str
    params: Mapping[str, Any] = field(default_factory=dict)
    """Defaults; a rule's ``params`` override them."""
    example: Mapping[str, Any] = field(default_factory=lambda: {"nth": 3})
    """Where a fault matrix should set it: the rule without ``fault`` and ``path``."""
    needs: frozenset[str] = frozenset()
    """What a style has to tell (``Style.has``) for the fault to show and ``must`` to be due."""

    def due(self, has: frozenset[str]) -> Outcome | None:
        """What a correct client makes of it on pages that tell ``has``; ``None`` where nothing could show it."""
        if self.needs <= has:
            return self.must
        return "exact" if self.name == "drift_removal" and "positional" not in has else None


def _status(
    name: str,
    status: int,
    what: str,
    must: Outcome,
    because: str,
    *,
    example: Mapping[str, Any] | None = None,
    **params: Any,
) -> Fault:
    given = {"status": status, "body": "json", **params}
    return Fault(name, "status", "before", what, must, because, given, example or {"nth": 3})


_RETRIED = "the request is repeated, and the page comes whole the second time"
_HEALS = "a server's passing trouble: repeated with backoff"
_WAITS = "the client waits as long as it is told, then asks again"

_ENTRIES = (
    _status("status_500", 500, "500 with a JSON body", "exact", _HEALS),
    _status("status_502_html", 502, "502 with a gateway's HTML page", "exact", _HEALS, body="html"),
    _status("status_503", 503, "503 with Retry-After in seconds", "exact", _WAITS, retry_after="seconds"),
    _status("status_504_empty", 504, "504 without a body", "exact", _HEALS, body=""),
    _status("status_408", 408, "408 request timeout", "exact", _HEALS),
    _status("status_425", 425, "425 too early", "exact", _HEALS),
    _status("status_429", 429, "429 without Retry-After", "exact", "backoff with jitter, then asked again"),
    _status("status_429_seconds", 429, "429, Retry-After: 1", "exact", _WAITS, retry_after="seconds"),
    _status("status_429_decimal", 429, "429, Retry-After: 0.2", "exact", _WAITS, retry_after="decimal", after=0.2),
    _status("status_429_date", 429, "429, Retry-After as an HTTP date", "exact", _WAITS, retry_after="date"),
    _status("status_429_long", 429, "429 that asks for a day", "failure", "longer than `max_wait`: said, not slept",
            retry_after="seconds", after=86_400),
    _status("status_429_broken", 429, "429, Retry-After: soon", "exact", "unreadable: as if absent", retry_after="soon"),
    _status("status_400", 400, "400 with a JSON body", "failure", "a request that will not heal is not repeated"),
    _status("status_401", 401, "401: the key is refused", "failure", "names the credential, shows no secret"),
    _status("status_403", 403, "403: the key may not do this", "failure", "names the credential, shows no secret"),
    _status("status_404", 404, "404 in the middle of a crawl", "failure",
            "no end unless the file says so (`end_on`)"),
    _status("status_410", 410, "410: the server forgot the cursor", "failure",
            "its own error (CursorExpired): a restart is the user's choice"),
    _status("status_500_forever", 500, "500 on every request from the third on", "failure",
            "after the retries the run fails; a resume goes on at the same page", example={"after": 2}),
    _status("html_200", 200, "a login page with status 200", "failure", "not the format that the file says",
            body="html"),
    _status("empty_200", 200, "status 200 with no body", "exact or failure", "not an empty page", body=""),
    Fault("redirect", "redirect", "before", "302 to another origin that serves the same", "failure",
          "the origin is not allowed: refused, and no key is sent there"),
    Fault("redirect_same_origin", "redirect", "before", "307 to the same origin", "exact", "followed by hand",
          {"status": 307, "same_origin": True}),
    Fault("token_expiry", "token_expiry", "before", "every OAuth2 token issued so far is refused from now on",
          "exact", "one 401, one new token, the request again", example={"nth": 3, "path": "/oauth/records"}),
    Fault("hang", "hang", "before", "the request is read and never answered", "exact",
          "the timeout strikes, then the request is repeated", {"seconds": 3_600}),
    Fault("reset_before", "reset_before", "before", "connection reset before a byte of the answer", "exact", _RETRIED),
    Fault("latency", "latency", "before", "each answer comes late", "exact", "slow is not wrong",
          {"ms": 20, "jitter": 10}, {}),
    Fault("reset", "reset", "wire", "connection reset in the middle of the body", "exact", _RETRIED),
    Fault("length_truncation", "length_truncation", "wire",
          "the connection closes before Content-Length is reached", "exact", _RETRIED),
    Fault("close_truncation", "close_truncation", "wire",
          "no Content-Length, and the connection closes half way", "exact or failure",
          "nothing in HTTP shows it: only the body's own format does"),
    Fault("chunk_truncation", "chunk_truncation", "wire", "a chunked body without its last chunk", "exact", _RETRIED),
    Fault("cut_gzip", "cut_gzip", "wire", "a gzip body that is whole to HTTP, but whose stream has no end", "exact",
          "the inflate checks its end; then the request is repeated"),
    Fault("corrupt_gzip", "corrupt_gzip", "wire", "a gzip body with a wrong checksum", "exact", _RETRIED),
    Fault("slow_drip", "slow_drip", "wire", "the body comes in small pieces", "exact", "slow is not wrong",
          {"bytes": 2_048, "ms": 2}),
    Fault("hang_mid_body", "hang_mid_body", "wire", "half of the body, then silence", "exact",
          "the timeout strikes, then the request is repeated", {"seconds": 3_600}),
    Fault("chunked", "chunked", "wire", "chunked transfer instead of Content-Length", "exact", "plain HTTP/1.1",
          {"bytes": 4_096}, {}),
    Fault("close_delimited", "close_delimited", "wire", "no Content-Length: the connection's end is the body's",
          "exact", "plain HTTP", example={}),
    Fault("cursor_loop", "meaning", "meaning", "a page names itself as the next, from then on for ever", "failure",
          "the same cursor and the same body twice is a loop", example={"after": 2}, needs=frozenset(['cursor'])),
    Fault("drift", "meaning", "meaning", "records go in before the list while it is crawled", "exact or failure",
          "lists asked by key: nothing moves; by place: a record comes twice (merged), and the total changed",
          {"insert": 3}, {"after": 2}),
    Fault("drift_removal", "meaning", "meaning", "records go out before the list while it is crawled",
          "suspect", "by place, records are skipped: only the total tells; by key nothing is lost",
          {"as": "drift", "remove": 3}, {"after": 2}, needs=frozenset(['positional', 'total'])),
    Fault("wrong_has_more", "meaning", "meaning", "the more flag says the opposite", "suspect",
          "`more: false` ends the crawl early: only a declared total shows it", needs=frozenset(['flag', 'total'])),
    Fault("vanishing_cursor", "meaning", "meaning", "more is promised and the cursor left out", "failure",
          "more without a cursor is no end", needs=frozenset(['cursor', 'flag'])),
    Fault("repeated_page", "meaning", "meaning", "the page before comes again under the new cursor", "suspect",
          "the same records under another cursor: others are missing", example={"nth": 3}),
    Fault("wrong_total", "meaning", "meaning", "the declared total is twice what there is", "suspect",
          "fewer records than declared", {"factor": 2}, {}, needs=frozenset(['total'])),
    Fault("zero_rows", "meaning", "meaning", "a page without records, its cursor right", "suspect",
          "an empty page in the middle is no error (some APIs do that): only a declared total shows it", needs=frozenset(['total'])),
    Fault("echo_key", "echo_key", "body", "the answer holds the key it was asked with", "exact",
          "masked in the archive, logs and errors, and counted"),
    Fault("token_bucket", "token_bucket", "limit", "a bucket of `burst`, refilled at `rate` a second; 429 when empty",
          "exact", _WAITS, {"rate": 50, "burst": 10}, {}),
    Fault("fixed_window", "fixed_window", "limit", "`requests` in each window of `seconds`; 429 beyond", "exact",
          _WAITS, {"requests": 20, "seconds": 1}, {}),
)  # fmt: skip

FAULTS: Mapping[str, Fault] = {entry.name: entry for entry in _ENTRIES}


class RuleError(ValueError):
    """A rule that cannot be read; says which member."""


_KINDS: Mapping[str, tuple[type, ...]] = {
    "path": (str,), "contains": (str,), "method": (str,), "nth": (int, list, tuple), "every": (int,), "after": (int,),
    "probability": (float, int), "seed": (int,), "times": (int,), "params": (dict,),
}  # fmt: skip
_MEMBERS = {"fault", *_KINDS}


class Rule:
    """A fault set for some requests; counts what it has seen."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        if unknown := set(given) - _MEMBERS:
            raise RuleError(f"unknown member {min(unknown)!r}; a rule has {', '.join(sorted(_MEMBERS))}")
        name = str(given.get("fault"))
        if name not in FAULTS:
            raise RuleError(f"unknown fault {name!r}; there are {', '.join(FAULTS)}")
        for member, kinds in _KINDS.items():
            if not isinstance(given.get(member, kinds[0]()), kinds):
                raise RuleError(f"{member} is no {' or '.join(kind.__name__ for kind in kinds)}")
        if given.get("every", 1) < 1:
            raise RuleError("every is at least 1")
        self.given = dict(given)
        self.fault = FAULTS[name]
        self.params = {**self.fault.params, **given.get("params", {})}
        self.state: dict[str, float] = {}
        nth = given.get("nth")
        self._nth = None if nth is None else frozenset([nth] if isinstance(nth, int) else nth)
        self._times = given.get("times")
        self.seen = 0
        self.fired = 0

    def fires(self, request: Incoming) -> bool:
        """Whether the fault strikes this request; counts it."""
        given = self.given
        if not fnmatch.fnmatchcase(request.path, given.get("path", "*")):
            return False
        if given.get("contains", "") not in request.target or given.get("method", request.method) != request.method:
            return False
        self.seen += 1
        if self._nth is not None and self.seen not in self._nth:
            return False
        if self.seen % given.get("every", 1) or self.seen <= given.get("after", 0):
            return False
        if self._times is not None and self.fired >= self._times:
            return False
        probability = given.get("probability")
        if probability is not None:
            drawn = Draw("fault", given.get("seed", 0), self.fault.name, self.seen).below(1_000_000)
            if drawn >= probability * 1_000_000:
                return False
        self.fired += 1
        return True

    def as_dict(self) -> dict[str, Any]:
        return {**self.given, "seen": self.seen, "fired": self.fired}
