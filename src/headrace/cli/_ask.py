"""Questions with a default, answered at a terminal or by lines of stdin."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from headrace.core.errors import UsageError

if TYPE_CHECKING:
    from headrace.discover.asked import Asked, Raw
    from headrace.discover.paging import Paging
    from headrace.discover.records import Found

_KINDS = ("none", "bearer", "header", "query", "basic")
_STYLES = ("none", "cursor", "page", "offset", "link")
_PARAMS = {"cursor": "cursor", "page": "page", "offset": "offset"}


class Questions:
    """Asks one after the other. At a terminal a wrong answer is asked for again, from a pipe it is a UsageError;
    the end of a pipe answers with defaults."""

    def __init__(self) -> None:
        self._there = sys.stdin.isatty()

    def ask(self, what: str, default: str = "", allowed: Sequence[str] = (), *, hidden: bool = False) -> str:
        """The answer; an empty one is ``default``. ``hidden``: neither shown nor repeated."""
        shown = f"{what} ({', '.join(allowed)})" if allowed else what
        while True:
            answer = self._read(shown, default, hidden) or default
            if not allowed or answer in allowed:
                return answer
            said = f"{answer!r} is none of {', '.join(allowed)}"
            if not self._there:
                raise UsageError(f"{what}: {said}")
            click.echo(said, err=True)

    def agreed(self, what: str, default: bool) -> bool:
        return self.ask(what, "yes" if default else "no", ("yes", "no")) == "yes"

    def _read(self, shown: str, default: str, hidden: bool) -> str:
        if self._there:
            answer = click.prompt(shown, default=default, show_default=bool(default), hide_input=hidden, err=True)
            return str(answer).strip()
        line = sys.stdin.readline().strip()
        said = "" if hidden else line or default
        click.echo(f"{shown}: {said}", err=True)
        return line


class Choices:
    """Puts what was found to whoever answers; their word counts more."""

    def __init__(self, questions: Questions) -> None:
        self._questions = questions

    def records(self, found: list[Found]) -> list[Found]:
        """``found`` with the chosen list first."""
        if len(found) > 1:
            for one in found:
                click.echo(f"  {one.path or '(the root)'}: {len(one.records)} records", err=True)
        paths = [one.path for one in found]
        wanted = self._questions.ask("List of records", paths[0], paths if len(paths) > 1 else ())
        chosen = next((one for one in found if one.path == wanted), None)
        if chosen is None:
            raise UsageError(f"there is no list at {wanted}", hint=f"there is {paths[0] or 'one at the root'}")
        return [chosen, *(one for one in found if one is not chosen)]

    def paging(self, found: Paging) -> Paging:
        click.echo(f"  {found.why}", err=True)
        config = self.style(found.config)
        return (
            found if config == found.config else replace(found, config=config, sure=True, why="as answered", doubts=())
        )

    def style(self, default: dict[str, Any]) -> dict[str, Any]:
        """A ``pagination`` block."""
        style = self._questions.ask("Paging", str(default["type"]), _STYLES)
        if style == default["type"]:
            return default
        config: dict[str, Any] = {"type": style}
        if style in _PARAMS:
            config["param"] = self._questions.ask("Parameter that says where", _PARAMS[style])
        if style == "cursor":
            config["response_path"] = self._questions.ask("Path of the next cursor in the answer", "next_cursor")
        if style == "link":
            path = self._questions.ask("Path of the link in the answer (empty: the Link header)")
            config |= {"response_path": path} if path else {}
        return config

    def key(self, found: str | None, columns: Sequence[str]) -> str | None:
        wanted = self._questions.ask("Column that identifies a record (none: rows are appended)", found or "none")
        if wanted != "none" and columns and wanted not in columns:
            raise UsageError(f"there is no column {wanted}", hint=f"there are {', '.join(columns)}")
        return None if wanted == "none" else wanted


def request(questions: Questions) -> Asked:
    """The first question, and how the API knows who asks."""
    from headrace.discover.asked import Raw, part
    from headrace.discover.curl import is_curl, read_curl

    text = questions.ask("Address of the list (a URL, or a curl command)")
    if not text:
        raise UsageError("there is no address to start from", hint="such as https://api.example.com/v1/items?limit=100")
    raw: Raw = read_curl(text) if is_curl(text) else Raw(text)
    safe = raw.method == "POST" and questions.agreed("It is a POST: does it only read?", False)
    return _authenticated(part(raw, safe=safe), questions)


def _authenticated(asked: Asked, questions: Questions) -> Asked:
    from headrace.core.contracts import Secret

    config = dict(asked.config)
    given = config.pop("auth", {}).get("type", "none")
    kind = questions.ask("Authentication", given, _KINDS)
    if kind == given:
        return asked
    if kind == "none":
        return replace(asked, config=config, secret=None)
    auth: dict[str, Any] = {"type": kind}
    if kind == "header":
        auth["header_name"] = questions.ask("Name of the header", "X-API-Key")
    if kind == "query":
        auth["param_name"] = questions.ask("Name of the parameter", "api_key")
    provider = questions.ask("Whose key it is: NAME_API_KEY of the environment, or a stored credential", asked.provider)
    if not re.fullmatch(r"[A-Za-z]\w*", provider):
        raise UsageError(f"{provider!r} is no name for a key", hint="letters, digits and _: GITHUB")
    provider = provider.upper()
    variable = f"{provider}_API_KEY"
    words = "user:password" if kind == "basic" else "Key"
    value = questions.ask(f"{words} (not written anywhere; empty: {variable})", hidden=True)
    value = value or os.environ.get(variable, "")
    config["auth"] = {**auth, "provider": provider}
    return replace(asked, config=config, provider=provider, secret=Secret(value) if value else None)
