"""A request as someone gave it, and the same with its secrets apart."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

from headrace.core.contracts import Secret
from headrace.core.errors import InputError
from headrace.core.http import Pairs
from headrace.discover.body import part_body
from headrace.discover.places import is_position
from headrace.discover.telltale import escaped, looks_secret, named_secret

_OWN_HEADERS = frozenset({
    "host", "connection", "content-length", "accept-encoding", "user-agent", "referer", "origin", "cookie", "priority",
    "cache-control", "pragma", "te", "upgrade-insecure-requests", "dnt", "if-none-match", "if-modified-since", "range",
})  # fmt: skip
_SESSION = re.compile(r"sess|sid$|^sid|auth|token|jwt|login|remember|user", re.IGNORECASE)
_PLAIN_HEADERS = frozenset({"accept", "accept-language", "content-type", "prefer"})


@dataclass(frozen=True)
class Raw:
    """A request as it was given, secrets and all; shown nowhere."""

    url: str = field(repr=False)
    method: str = "GET"
    headers: Pairs = field(default=(), repr=False)
    body: str | None = field(default=None, repr=False)
    user: str | None = field(default=None, repr=False)
    """``user:password`` of basic authentication."""


@dataclass(frozen=True)
class Asked:
    """A request as a pipeline file has it: ``config`` (keys of an extract step) holds no secret."""

    config: Mapping[str, Any]
    base_url: str
    provider: str
    secret: Secret | None = field(default=None, repr=False)
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Values that ``config`` names as ``{env.NAME}``."""
    hints: tuple[tuple[str, str, str], ...] = ()
    """(query, header or body; name; value) of what was given for a position: ``cursor=``, ``page=1``."""
    notes: tuple[str, ...] = ()
    """What was left out, and why; no values."""

    @property
    def url(self) -> str:
        return self.base_url + str(self.config["url"])


def provider_of(host: str) -> str:
    """``HUBSPOT`` of api.hubspot.com."""
    labels = [part for part in host.lower().split(".") if part not in ("api", "www", "rest", "data")]
    if re.fullmatch(r"[\d.]+|\[.*|.*:.*", host) or not labels:
        return "MY_API"
    name = labels[-2] if len(labels) > 1 else labels[0]
    word = re.sub(r"\W", "_", name).upper()
    return word if re.match(r"[A-Z]", word) else f"API_{word}"


def part(raw: Raw, *, safe: bool = False, cookies: bool = False) -> Asked:
    """Take the secrets of ``raw`` apart: the first becomes ``auth``, others ``{env.NAME}``. ``safe``: a POST only
    reads. ``cookies``: where nothing else authenticates, the cookie of a session does. Raises InputError for what is no http address."""
    url = raw.url if re.match(r"https?://", raw.url, re.IGNORECASE) else f"https://{raw.url}"
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        host = ""
    if not host or re.search(r"[\s\x00-\x1f]", url):
        raise InputError("the address is not one that can be asked", hint="write it whole: https://host/path?query")
    maker = _Maker(provider_of(host))
    netloc = parts.netloc.rpartition("@")[2]
    user = raw.user or (unquote(parts.netloc.rpartition("@")[0]) if "@" in parts.netloc else None)
    if user is not None:
        maker.authenticate({"type": "basic"}, user)
    headers = maker.headers(raw.headers)
    params = maker.params(parse_qsl(parts.query, keep_blank_values=True))
    if cookies:
        maker.cookie(raw.headers)
    path = "/".join(maker.hidden(piece, "PATH") if looks_secret(unquote(piece)) else escaped(piece)
                    for piece in (parts.path or "/").split("/"))  # fmt: skip
    config: dict[str, Any] = {"url": path}
    if raw.method != "GET":
        config["method"] = raw.method
    if params:
        config["params"] = params
    if repeated := [name for name, value in params.items() if isinstance(value, list)]:
        config["repeat_params"] = repeated
    if raw.body is not None:
        kind = next((value for name, value in raw.headers if name.lower() == "content-type"), "")
        config |= part_body(raw.body, kind, maker)
        if "text" not in config.get("body", {}):  # the other kinds say theirs by themselves
            headers = {name: value for name, value in headers.items() if name.lower() != "content-type"}
        if safe and "graphql" not in config:
            config["safe"] = True
    if headers:
        config["headers"] = headers
    if maker.auth is not None:
        config["auth"] = maker.auth
    base = urlunsplit((parts.scheme.lower(), netloc, "", "", ""))
    return Asked(config, base, maker.provider, maker.secret, maker.environ, tuple(maker.hints), tuple(maker.notes))


class _Maker:
    """Collects what is taken out of one request."""

    def __init__(self, provider: str) -> None:
        self.provider = provider
        self.auth: dict[str, Any] | None = None
        self.secret: Secret | None = None
        self.environ: dict[str, str] = {}
        self.hints: list[tuple[str, str, str]] = []
        self.notes: list[str] = []

    def authenticate(self, auth: dict[str, Any], value: str) -> None:
        self.auth, self.secret = {**auth, "provider": self.provider}, Secret(value)

    def hidden(self, value: str, name: str) -> str:
        """A variable of the environment in place of ``value``."""
        variable = f"{self.provider}_{re.sub(r'[^A-Z0-9]+', '_', name.upper()).strip('_') or 'VALUE'}"
        while self.environ.get(variable, value) != value:
            variable += "_2"
        self.environ[variable] = value
        return f"{{env.{variable}}}"

    def headers(self, given: Pairs) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        for name, value in given:
            low = name.lower()
            if low == "cookie":
                self.notes.append("cookies were left out: a session of a browser ends, and is a secret")
            elif low in ("x-csrf-token", "x-xsrf-token"):
                self.notes.append(f"{name} was left out: it belongs to a session of a browser")
            elif low in _OWN_HEADERS or low.startswith((":", "sec-", "proxy-")):
                continue
            elif not value:
                self.hints.append(("header", name, value))
            elif low == "authorization":
                self._authorization(value)
            elif low not in _PLAIN_HEADERS and (named_secret(name) or looks_secret(value)):
                if self.auth is None:
                    self.authenticate({"type": "header", "header_name": name}, value)
                else:
                    kept[name] = self.hidden(value, name)
            else:
                kept[name] = escaped(value)
        return kept

    def cookie(self, given: Pairs) -> None:
        """A session's cookie as a header, if nothing else authenticates."""
        value = next((value for name, value in given if name.lower() == "cookie"), "")
        named = [pair.partition("=")[0].strip() for pair in value.split(";")]
        if self.auth is None and any(_SESSION.search(name) for name in named):
            self.authenticate({"type": "header", "header_name": "Cookie"}, value)
            self.notes[:] = [note for note in self.notes if not note.startswith("cookies ")]
            self.notes.append("the cookie of a browser's session authenticates: it ends, an API key lasts longer")

    def _authorization(self, value: str) -> None:
        scheme, _, rest = value.partition(" ")
        if self.auth is not None:
            return
        if scheme.lower() == "bearer" and rest:
            self.authenticate({"type": "bearer"}, rest.strip())
        elif scheme.lower() == "basic" and rest:
            try:
                self.authenticate({"type": "basic"}, base64.b64decode(rest).decode())
            except ValueError:
                self.authenticate({"type": "header", "header_name": "Authorization"}, value)
        else:
            self.authenticate({"type": "header", "header_name": "Authorization"}, value)

    def params(self, given: list[tuple[str, str]]) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        for name, value in given:
            if not value or is_position(name, value):
                self.hints.append(("query", name, value))
            elif named_secret(name) or looks_secret(value):
                if self.auth is None and named_secret(name):
                    self.authenticate({"type": "query", "param_name": name}, value)
                else:
                    kept[name] = self.hidden(value, name)
            elif name in kept:
                before = kept[name]
                kept[name] = [*(before if isinstance(before, list) else [before]), escaped(value)]
            else:
                kept[name] = escaped(value)
        return kept
