"""Stand-in of GitHub's repositories: ``GET /orgs/{org}/repos``, a root array; ``Link`` leads on by the organisation's id."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

from headrace.sandbox import limits, words
from headrace.sandbox.draw import Draw
from headrace.sandbox.exchange import Exchange, Route
from headrace.sandbox.http import Reply, json_reply
from headrace.sandbox.listing import Records, Window
from headrace.sandbox.styles._common import link

MOST, PER_HOUR = 100, 5_000
_NEWEST = datetime(2026, 1, 1, tzinfo=UTC)
_LETTERS = "-0123456789abcdefghijklmnopqrstuvwxyz"
_DOCS = "https://docs.github.com/rest/repos/repos#list-organization-repositories"
_LANGUAGES = ("Python", "Go", "Rust", "C++", "TypeScript", "Jupyter Notebook", None)
_LICENSES = (("mit", "MIT License", "MIT"), ("apache-2.0", "Apache License 2.0", "Apache-2.0"), None)


def refuse(status: int, message: str) -> Reply:
    """An error as GitHub words it."""
    return json_reply({"message": message, "documentation_url": _DOCS, "status": str(status)}, status)


def identity(login: str) -> int:
    """The organisation's id: its letters as a number, so that a path by id needs no memory."""
    number = 0
    for letter in login.lower():
        number = number * len(_LETTERS) + _LETTERS.index(letter)
    return number


def login_of(number: int) -> str:
    letters = ""
    while number:
        number, at = divmod(number, len(_LETTERS))
        letters = _LETTERS[at] + letters
    return letters


def is_login(text: str) -> bool:
    """Whether an organisation has this name; one that starts with ``no-such`` is nobody's."""
    lower = text.lower()
    return 0 < len(text) <= 39 and lower[0] != "-" and set(lower) <= set(_LETTERS) and not lower.startswith("no-such")


def repository(seed: int, login: str, index: int) -> dict[str, Any]:
    draw = Draw("repository", seed, login, index)
    name = f"{draw.pick(('mill', 'sluice', 'weir', 'flume', 'penstock'))}-{draw.pick(('core', 'docs', 'ui', 'tools'))}-{index}"
    home, api = f"https://github.com/{login}/{name}", "https://api.github.com"
    created = _NEWEST - timedelta(hours=5 * index, seconds=draw.below(3_600))
    pushed = created + timedelta(minutes=draw.below(9_000))
    license = draw.pick(_LICENSES)
    stars, forks, issues = draw.below(60_000), draw.below(900), draw.below(300)
    return {
        "id": 70_000_000 + index,
        "node_id": f"R_sandbox{index:08x}",
        "name": name,
        "full_name": f"{login}/{name}",
        "private": False,
        "owner": {
            "login": login, "id": identity(login), "node_id": "O_sandbox", "url": f"{api}/orgs/{login}",
            "html_url": f"https://github.com/{login}", "type": "Organization", "site_admin": False,
        },
        "html_url": home,
        "description": words.sentence(draw, 1) if draw.chance(75) else None,
        "fork": draw.chance(10),
        "url": f"{api}/repos/{login}/{name}",
        "created_at": _time(created),
        "updated_at": _time(pushed),
        "pushed_at": _time(pushed),
        "homepage": draw.pick((None, "", f"https://{login}.example/")),
        "size": draw.below(200_000),
        "stargazers_count": stars,
        "watchers_count": stars,
        "language": draw.pick(_LANGUAGES),
        "forks_count": forks,
        "archived": draw.chance(8),
        "disabled": False,
        "open_issues_count": issues,
        "license": license and {"key": license[0], "name": license[1], "spdx_id": license[2], "url": f"{api}/licenses/{license[0]}"},
        "topics": draw.some(("etl", "water", "cli", "c++", "données"), 0, 3),
        "visibility": "public",
        "forks": forks,
        "open_issues": issues,
        "watchers": stars,
        "default_branch": draw.pick(("main", "main", "master")),
    }  # fmt: skip


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def by_login(exchange: Exchange) -> Reply:
    return _repositories(exchange, exchange.request.path.split("/")[2])


def by_id(exchange: Exchange) -> Reply:
    text = exchange.request.path.split("/")[2]
    return _repositories(exchange, login_of(int(text)) if text.isdecimal() and len(text) < 70 else "")


def _repositories(exchange: Exchange, login: str) -> Reply:
    request, options = exchange.request, exchange.options
    if not request.headers.get("user-agent"):
        text = b"Request forbidden by administrative rules. Please make sure your request has a User-Agent header.\n"
        return Reply(403, text, "text/plain")
    if request.headers.get("authorization") and not exchange.accepted(exchange.bearer()):
        return refuse(401, "Bad credentials")
    state = exchange.memory.setdefault("github_limit", {})
    wait, headers = limits.fixed_window(state, {"requests": PER_HOUR, "seconds": 3_600}, time.time())
    headers[2] = ("X-RateLimit-Reset", str(int(state["begin"]) + 3_600))
    headers += [("X-RateLimit-Used", str(int(state["used"]))), ("X-RateLimit-Resource", "core")]
    if wait > 0:
        reply = refuse(403, "API rate limit exceeded for user ID 1.")
    elif not is_login(login):
        reply = refuse(404, "Not Found")
    else:
        size = _lenient(exchange, "per_page", options.page_size or 30, MOST)
        number = _lenient(exchange, "page", 1, 10**9)
        records = Records(lambda at: repository(options.seed, login.lower(), at), options.records, exchange.tricks)
        page = records.window((number - 1) * size, size, positional=True)
        body = exchange.array(records, page, f"github/{login.lower()}")
        reply = Reply(body=body, content_type="application/json; charset=utf-8", headers=_links(exchange, login, page, size, number))  # fmt: skip
    reply.headers += headers
    return reply


def _lenient(exchange: Exchange, name: str, default: int, most: int) -> int:
    """GitHub takes any number, and what is none or too great without a word."""
    text = exchange.request.query.get(name, "")
    return min(int(text), most) if text.isdecimal() and int(text[:20]) > 0 else default


def _links(exchange: Exchange, login: str, page: Window, size: int, number: int) -> list[tuple[str, str]]:
    path = f"/organizations/{identity(login)}/repos"
    last = -(-page.total // size)
    wanted = {"prev": number - 1} if number > 1 else {}
    if page.next is not None:
        wanted["next"] = page.next // size + 1
    if page.more:
        wanted["last"] = last
    if number > 1:
        wanted["first"] = 1
    if not wanted:
        return []
    made = (f'<{exchange.base}{link(exchange, {"page": at}, path)}>; rel="{name}"' for name, at in wanted.items())
    return [("Link", ", ".join(made))]


ROUTES = [
    Route("/orgs/*/repos", by_login, "github: repositories of an organisation, by Link header", refuse=refuse),
    Route("/organizations/*/repos", by_id, "github: where the Link header leads", refuse=refuse),
]
