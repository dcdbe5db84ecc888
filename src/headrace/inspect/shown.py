"""A request as people may see it: everything that signing added, or that a file keeps secret, is hidden."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus, urlsplit, urlunsplit

from headrace.core.contracts import Auth
from headrace.core.http import Pairs, Request
from headrace.core.templates import names
from headrace.pipeline.secrets import MASK, mask_url, spells_out
from headrace.secrets.mask import Masker


@dataclass(frozen=True, slots=True)
class Shown:
    """A request with its secrets hidden; ``body`` is what is sent, as text."""

    method: str
    url: str
    headers: Pairs
    body: str = ""


def show(request: Request, templates: Mapping[str, Any], auth: Auth | None, masker: Masker) -> Shown:
    """``request`` before it is signed. ``templates`` are the ``headers`` and ``params`` as the file writes them:
    a value that comes from ``{env.…}`` is hidden."""
    return _shown(request, request, templates, auth, masker)


def show_signed(
    signed: Request, unsigned: Request, templates: Mapping[str, Any], auth: Auth | None, masker: Masker
) -> Shown:
    """The request as it left; what differs from ``unsigned`` came from signing and is hidden."""
    return _shown(signed, unsigned, templates, auth, masker)


def _shown(
    request: Request, unsigned: Request, templates: Mapping[str, Any], auth: Auth | None, masker: Masker
) -> Shown:
    hidden = {name.lower() for name, value in templates.items() if any(n.startswith("env.") for n in _names(value))}
    plain = {(name.lower(), value) for name, value in unsigned.headers}
    headers = tuple(
        (
            name,
            MASK
            if (name.lower(), value) not in plain or name.lower() in hidden or spells_out(name, value)
            else masker.mask_text(value),
        )
        for name, value in request.headers
    )
    secret = {name.lower() for name in (auth.secret_params() if auth is not None else ())} | hidden
    url = _hide_params(masker.mask_text(mask_url(request.full_url)), secret)
    return Shown(request.method, url, headers, masker.mask_text(_body(request)))


def _names(value: Any) -> list[str]:
    return list(names(value)) if isinstance(value, str) else []


def _hide_params(url: str, secret: set[str]) -> str:
    parts = urlsplit(url)
    pairs = []
    for pair in parts.query.split("&") if parts.query else ():
        name, equals, value = pair.partition("=")
        plain = unquote_plus(name)
        hide = plain.lower() in secret or spells_out(plain, value)
        pairs.append(f"{name}={MASK}" if hide and equals else pair)
    return urlunsplit(parts._replace(query="&".join(pairs)))


def _body(request: Request) -> str:
    if request.json is not None:
        return json.dumps(request.json, ensure_ascii=False, indent=2, default=str)
    if request.form is not None:
        return "&".join(f"{name}={value}" for name, value in request.form)
    return request.text or ""
