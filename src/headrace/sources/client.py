"""Everything between a page's request and its answer, in one place for all slices of a source."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Protocol

from headrace.core import faults
from headrace.core.clock import Clock
from headrace.core.contracts import Auth, Secret, Transport
from headrace.core.errors import AuthRefused, DecodeError, InputError, OriginRefused, RequestFailed
from headrace.core.events import Event, RequestRetried, RequestSent, Waiting
from headrace.core.http import Request, Response, origin, without_params
from headrace.sources.origins import allowed_origins, check_host, resolve, shown
from headrace.sources.ratelimit import RateLimit
from headrace.sources.retry import NotSent, is_limited, plan_retry, reason_of
from headrace.sources.retry_after import quota_wait
from headrace.sources.session import ClientSession, MemoryTokens, TokenStore
from headrace.sources.throttle import BudgetSpent, SharedLimit, Throttle

__all__ = ["ApiClient", "BudgetSpent", "MaskSecrets", "ResponseCache", "request_key"]

_MAX_REDIRECTS = 10
_SHOWN_BODY, _KEPT_BODY = 500, 2000
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PUBLIC_HEADERS = frozenset({"accept", "accept-encoding", "accept-language", "content-type", "user-agent"})


class ResponseCache(Protocol):
    """Answers by :func:`request_key`; what is put in is masked already."""

    def get(self, key: str) -> Response | None: ...
    def put(self, key: str, response: Response) -> Response:
        """Returns the answer, with its body packed if that was done."""
        ...


class MaskSecrets(Protocol):
    """Strikes known secrets out of what is kept or shown."""

    def add(self, secret: str) -> None:
        """From now on, in every spelling that an answer may echo."""
        ...

    def mask_bytes(self, body: bytes) -> tuple[bytes, int]:
        """The body, and how many times a secret was struck out."""
        ...

    def mask_text(self, text: str) -> str: ...


class ApiClient:
    """Cache, throttle, signature, redirects, retries, masking: safe to use from many tasks at once.

    ``home`` is the step's own URL: its origin gets the credential, and any other is refused unless ``origins``
    (as ``allowed_hosts`` has them) names it; those get no credential. Without ``home``, here or at
    :meth:`fetch`, every request's own origin counts as home.
    ``throttle`` shares one between clients of the same source and credential. The transport is not closed here.
    """

    def __init__(
        self,
        *,
        transport: Transport,
        auth: Auth | None,
        secret: Secret | None,
        rate_limit: RateLimit,
        clock: Clock,
        emit: Callable[[Event], None],
        run_id: str,
        step: str,
        masker: MaskSecrets,
        cache: ResponseCache | None = None,
        offline: bool = False,
        tokens: TokenStore | None = None,
        origins: Iterable[str] = (),
        home: str = "",
        shared: SharedLimit | None = None,
        throttle: Throttle | None = None,
    ) -> None:
        self._transport, self._auth, self._secret = transport, auth, secret
        self._limit, self._clock, self._emit = rate_limit, clock, emit
        self._run_id, self._step, self._masker = run_id, step, masker
        self._cache, self._offline = cache, offline
        hosts = tuple(origins)
        self._allowed = {scheme: allowed_origins(hosts, f"{scheme}://") for scheme in ("https", "http")}
        self._home = origin(home) if home else ""
        self._throttle = throttle or Throttle(rate_limit, clock, shared, self._waiting)
        self._secret_params = auth.secret_params() if auth is not None else frozenset()
        self._only_to = secret.hosts if secret is not None else ()
        self._session = ClientSession(
            clock, MemoryTokens() if tokens is None else tokens, self._send_unsigned, masker.add, self._only_to
        )
        self._renewal = asyncio.Lock()
        self._renewals = 0
        self.requests = 0
        """Requests that left for the network, retries and redirects included."""
        self.cached = 0
        self.retries = 0
        if secret is not None and secret.value:
            masker.add(secret.value)

    async def fetch(
        self, request: Request, *, accept: frozenset[int] = frozenset(), fresh: bool = False, home: str = ""
    ) -> Response:
        """The answer to ``request``: 2xx, or a status in ``accept``; masked, its URL without secrets. ``fresh``:
        from the network, whatever the cache holds. ``home``: the step's URL, where its host is a variable.

        Raises AuthRefused (401, 403), RequestFailed (any other status, or no answer after every retry
        that makes sense), OriginRefused, DecodeError (cannot be unpacked), BudgetSpent.
        """
        here, at_home = origin_of(request), origin(home) if home else self._home
        if at_home and here != at_home and here not in self._beside(at_home):
            raise OriginRefused(
                f"the next page is at {shown(here)}, another origin than {shown(at_home)}",
                hint=f"if that is right, add it: allowed_hosts: [{shown(here)!r}]; no credential is sent there",
            )
        key = self.key(request) if self._cache is not None else ""
        if self._cache is not None and not fresh:
            kept = self._cache.get(key)
            if kept is not None and (kept.status // 100 == 2 or kept.status in accept):
                self.cached += 1
                return replace(kept, from_cache=True)
        if self._offline:
            raise RequestFailed(
                f"offline, and the answer to {request.method} {self.shown_url(request)} is not in the cache",
                hint="run without --offline to ask the API",
            )
        response = await self._with_retries(request, accept, at_home)
        faults.point("fetch.sent")
        if self._cache is not None:
            response = self._cache.put(key, response)
            faults.point("fetch.cached")
        return response

    def check_link(self, url: str, base: str) -> str:
        """A link out of an answer, absolute; ``base`` is the URL it was found at. Parameters that carry the
        secret are left out: signing adds them. Raises OriginRefused for an origin that is not allowed."""
        allowed = self._beside(base) | {self._home}
        return without_params(resolve(url, base, allowed, what="the next link"), self._secret_params)

    def shown_url(self, request: Request) -> str:
        """The URL as it may be logged and kept."""
        return self._masker.mask_text(without_params(request.full_url, self._secret_params))

    @staticmethod
    def key(request: Request) -> str:
        """What the response cache calls the answer to ``request``."""
        return request_key(request)

    def _beside(self, home: str) -> frozenset[str]:
        """The further origins that are allowed: a bare host means http as well where home is http."""
        return self._allowed["http" if home.startswith("http:") else "https"]

    async def _with_retries(self, request: Request, accept: frozenset[int], home: str) -> Response:
        attempt, renewed = 1, False
        while True:
            sent = _Sent(request)
            outcome: Response | RequestFailed
            try:
                outcome = await self._follow(sent, accept, home)
            except RequestFailed as error:
                if error.status is not None:
                    raise
                outcome = error
            except DecodeError as error:
                error.place = error.place or f"{request.method} {self.shown_url(sent.request)}"
                raise
            if isinstance(outcome, Response):
                if outcome.status // 100 == 2 or outcome.status in accept:
                    self._throttle.succeeded()
                    return outcome
                if outcome.status == 401 and sent.signed and not renewed and await self._renew(sent.renewals):
                    renewed = True
                    continue
                if is_limited(outcome):
                    self._throttle.refused(sent.at)
            retry = plan_retry(outcome, request, self._limit, attempt, self._clock.random())
            if retry is None:
                raise self._failure(outcome, sent.request, attempt)
            if retry.wait > self._limit.max_wait:
                raise self._too_long(retry.wait, sent.request, retry.reason)
            self.retries += 1
            reason = self._masker.mask_text(retry.reason)
            url = self.shown_url(sent.request)
            self._emit(RequestRetried(self._run_id, self._step, url, attempt, reason, retry.wait))
            if retry.limited:
                self._throttle.pause(retry.wait, reason)
                self._waiting(retry.wait, reason)
            await self._clock.sleep(retry.wait)
            attempt += 1

    async def _follow(self, sent: _Sent, accept: frozenset[int], home: str) -> Response:
        """Send, and follow redirects; ``sent`` tells what was sent last."""
        first = origin_of(sent.request)
        beside = self._beside(home or first)
        allowed = beside | {first, home or first}
        trusted = home or (first if first not in beside else "")
        for _ in range(_MAX_REDIRECTS + 1):
            response = await self._send_signed(sent, trusted)
            location = response.header("location")
            if response.status not in _REDIRECTS or not location or response.status in accept:
                return self._masked(response, sent.request)
            target = resolve(location, sent.request.full_url, allowed, what=f"a redirect ({response.status})")
            sent.request = redirected(sent.request, response.status, without_params(target, self._secret_params))
        raise RequestFailed(
            f"more than {_MAX_REDIRECTS} redirects, the last to {self.shown_url(sent.request)}",
            status=response.status,
            hint="the API sends the request in circles: check url and auth",
        )

    async def _send_signed(self, sent: _Sent, trusted: str) -> Response:
        request = sent.request
        here = origin_of(request)
        async with self._throttle.slot():
            sent.renewals, sent.signed = self._renewals, here == trusted
            if here != trusted:
                public = tuple(pair for pair in request.headers if pair[0].lower() in _PUBLIC_HEADERS)
                signed = replace(request, headers=public)
            elif self._auth is not None:
                # Signed only now: a token may have expired while the request waited for its turn.
                check_host(request.url, self._only_to)
                signed = await self._auth.sign(request, self._secret, self._session)
                signed = replace(signed, only_to=self._only_to)
            else:
                signed = request
            sent.at = self._clock.monotonic()
            response = await self._send(signed)
        if not is_limited(response):
            wait = quota_wait(response)
            # A longer wait may be a quota that is not enforced: the API is asked, and refuses if it means it.
            if wait is not None and wait <= self._limit.max_wait:
                self._throttle.pause(wait, "the API's quota is used up")
        return response

    async def _send(self, signed: Request) -> Response:
        started = self._clock.monotonic()
        status: int | None = None
        self.requests += 1
        try:
            response = await self._transport.send(signed)
            status = response.status
        finally:
            seconds = self._clock.monotonic() - started
            self._emit(RequestSent(self._run_id, self._step, self.shown_url(signed), status, seconds))
        return response

    async def _send_unsigned(self, request: Request) -> Response:
        check_host(request.url, request.only_to)
        try:
            return await self._send(request)
        except NotSent:
            raise
        except RequestFailed as error:
            # What fails is the token; the page's own request has not left, so it may be tried again.
            raise NotSent(f"no token: {error.message}", hint=error.hint) from None

    async def _renew(self, renewals: int) -> bool:
        """Whether signing again may help; of many requests refused at once only the first asks for it."""
        if self._auth is None:
            return False
        async with self._renewal:
            if self._renewals == renewals:
                if not await self._auth.refused(self._secret, self._session):
                    return False
                self._renewals += 1
            return True

    def _masked(self, response: Response, request: Request) -> Response:
        body, masked = self._masker.mask_bytes(response.body)
        mask = self._masker.mask_text
        headers = tuple((name, mask(value)) for name, value in response.headers)
        return replace(response, url=self.shown_url(request), headers=headers, body=body, masked=masked)

    def _failure(self, outcome: Response | RequestFailed, request: Request, attempts: int) -> RequestFailed:
        what = f"{request.method} {self.shown_url(request)}"
        tries = f" after {attempts} attempts" if attempts > 1 else ""
        if isinstance(outcome, RequestFailed):
            return RequestFailed(f"{what} failed{tries}: {self._masker.mask_text(outcome.message)}", hint=outcome.hint)
        body = outcome.body[: 4 * _KEPT_BODY].decode(errors="replace")
        excerpt = " ".join(body[:_SHOWN_BODY].split())
        message = f"{what} answered {reason_of(outcome)}{tries}{': ' if excerpt else ''}{excerpt}"
        if outcome.status in (401, 403) and not is_limited(outcome):
            return AuthRefused(
                message, status=outcome.status, body=body[:_KEPT_BODY], hint=self._auth_hint(outcome.status)
            )
        hint = ""
        if is_limited(outcome):
            hint = "lower rate_limit.requests_per_second, or set rate_limit.requests and per_seconds as the API states them"
        elif outcome.status >= 500:
            hint = "the API itself failed; resume the run later"
        elif outcome.status == 404:
            hint = "check base_url, url and its {variables}; if 404 means the end of the pages: end_on: [404]"
        return RequestFailed(message, status=outcome.status, body=body[:_KEPT_BODY], hint=hint)

    def _auth_hint(self, status: int) -> str:
        reference = self._auth.credential() if self._auth is not None else None
        if reference is None:
            return "no credential was sent: add auth: {type: bearer, provider: NAME} to the source"
        name = " ".join(
            f"{key} {value!r}"
            for key, value in (("provider", reference.provider), ("secret_key", reference.secret_key))
            if value
        )
        kind = getattr(self._auth, "type", "")
        why = "is wrong or expired" if status == 401 else "may not do this"
        return f"the credential of {name or 'this source'} (sent as auth: {kind}) {why}"

    def _too_long(self, wait: float, request: Request, reason: str) -> RequestFailed:
        return RequestFailed(
            f"{request.method} {self.shown_url(request)}: the API asks to wait {wait:,.0f} s "
            f"({self._masker.mask_text(reason)}), longer than rate_limit.max_wait ({self._limit.max_wait:,.0f} s)",
            status=429,
            hint="resume the run when that time is over, or raise rate_limit.max_wait",
        )

    def _waiting(self, seconds: float, reason: str) -> None:
        self._emit(Waiting(self._run_id, self._step, seconds, reason))


@dataclass(slots=True)
class _Sent:
    """What left last in one attempt: the request unsigned, when (monotonic), by which signature."""

    request: Request
    at: float = 0.0
    renewals: int = 0
    signed: bool = False


def request_key(request: Request) -> str:
    """The cache's name for the answer to ``request``: where in the crawl, and what is asked; no credential."""
    asked = [
        request.slot, request.method, request.url, request.params, request.form, request.text, request.json,
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(asked, separators=(",", ":")).encode()).hexdigest()


def redirected(request: Request, status: int, target: str) -> Request:
    """The request that a redirect asks for: 303, and 301 or 302 after a POST, become GET without a body."""
    moved = replace(request, url=target, params=())
    if request.method in ("GET", "HEAD") or status in (307, 308) or (status != 303 and request.method != "POST"):
        return moved
    headers = tuple(pair for pair in request.headers if pair[0].lower() != "content-type")
    return replace(moved, method="GET", headers=headers, json=None, form=None, text=None)


def origin_of(request: Request) -> str:
    """Raises InputError for a URL that has none."""
    try:
        return origin(request.url)
    except ValueError:
        raise InputError("the URL of the request cannot be read", hint="write https://host/path") from None
