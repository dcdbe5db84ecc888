"""Templates filled with view models. Everything is escaped; what is not HTML never becomes any."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

from headrace._version import __version__
from headrace.core.clock import SystemClock
from headrace.service.pages import words
from headrace.service.security import Caller

HERE = Path(__file__).parent
STATIC = HERE / "static"

NAVIGATION = (
    ("/", "Overview"),
    ("/ui/runs", "Runs"),
    ("/ui/pipelines", "Pipelines"),
    ("/ui/tables", "Tables"),
    ("/ui/quality", "Quality"),
    ("/ui/schedules", "Schedules"),
)


def page(
    template: str, /, *, status: int = 200, here: str = "", caller: Caller | None = None, **values: Any
) -> Response:
    """The page of ``template`` for ``caller``; ``here`` is the entry of the navigation that it belongs to."""
    given = {"may_run": caller is not None and "run" in caller.scopes, "signed_in": bool(caller and caller.key_id)}
    return HTMLResponse(fill(template, here=here, **given, **values), status)


def fill(template: str, /, **values: Any) -> str:
    """The text of ``template``. Raises UndefinedError for a value that it needs and is not given."""
    given = {"here": "", "bare": False, "signed_in": False, "may_run": False, "now": SystemClock().now(), **values}
    text = _environment().get_template(template).render(given)
    return text.encode("utf-8", "replace").decode()  # an API may send half a surrogate pair


def address(path: str, **query: str | None) -> str:
    """``path`` with those of ``query`` that are set."""
    found = {name: value for name, value in query.items() if value}
    return f"{path}?{urlencode(found)}" if found else path


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    filters: Mapping[str, Callable[..., str]] = {
        "number": words.number, "counted": words.counted, "span": words.span, "ago": words.ago, "moment": words.moment, "clock": words.clock, "iso": words.iso,
        "size": words.size, "percent": words.percent, "short": words.short,
    }  # fmt: skip
    made.filters.update(filters)
    made.globals.update(static=_static, navigation=NAVIGATION, version=__version__)
    return made


@cache
def _static(name: str) -> str:
    """The address of a file of ``static``, which changes with what is in it."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"/ui/static/{name}?v={digest}"
