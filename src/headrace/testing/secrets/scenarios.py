"""Everything that the API of the hunt does wrong, by name."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from headrace.testing.secrets import answers
from headrace.testing.secrets.api import Answer, HostileApi


@dataclass(frozen=True)
class Scenario:
    """What the API does, and the keys of the step's ``config`` that go with it.

    ``ends`` is the status of a crawl that meets it (``failed``: an error is raised); ``at`` is the URL that
    the step asks instead of the server's.
    """

    name: str
    answer: Answer
    ends: str = "failed"
    config: Mapping[str, Any] = field(default_factory=dict)
    token: Answer = HostileApi.token
    at: str | None = None
    needs_token: bool = False

    def __str__(self) -> str:
        return self.name


_LINK = {"pagination": {"type": "link", "response_path": "next"}}
_WIDE = {
    "tables": [{"table": "items", "key": ["id"], "columns": {"id": "id", "number": {"path": "number", "type": "int"}}}]
}

SCENARIOS: tuple[Scenario, ...] = (
    Scenario("echo", answers.pages, "done"),
    Scenario("echo in next links", answers.pages, "done", _LINK),
    Scenario("echo in the Link header", answers.link_header, "done", {"pagination": {"type": "link"}}),
    Scenario("401", answers.after_a_page(answers.status(401))),
    Scenario("403", answers.status(403)),
    Scenario("404", answers.after_a_page(answers.status(404))),
    Scenario("400", answers.status(400)),
    Scenario("500 for ever", answers.after_a_page(answers.status(500))),
    Scenario("502 in HTML", answers.in_html(502)),
    Scenario("429 for a day", answers.slow_down),
    Scenario("timeout", answers.after_a_page(answers.silence), config={"timeout": 0.15}),
    Scenario("redirect to another origin", answers.after_a_page(answers.redirect_elsewhere)),
    Scenario("redirect to an allowed origin", answers.redirect_elsewhere, config={"allowed_hosts": ["localhost"]}),
    Scenario("redirect with a secret in its path", answers.redirect_here),
    Scenario("redirect in circles", answers.redirect_in_a_circle),
    Scenario("redirect to user info", answers.redirect_to_a_user),
    Scenario("next link to another origin", answers.link_elsewhere, config=_LINK),
    Scenario("cut JSON", answers.after_a_page(answers.cut)),
    Scenario("cut JSON Lines", answers.typed(lambda text: json.dumps({"a": text})[:-20], "application/x-ndjson")),
    Scenario(
        "CSV that names a column twice", answers.typed(answers.repeated_header, "text/csv"), config={"data_path": ""}
    ),
    Scenario("cut CSV", answers.typed(lambda text: f'a,b\n1,"{text}', "text/csv"), config={"data_path": ""}),
    Scenario("cut XML", answers.typed(lambda text: f"<items><item>{html.escape(text)}", "text/xml")),
    Scenario("a SOAP fault", answers.typed(answers.soap_fault, "text/xml")),
    Scenario("not gzip", answers.after_a_page(answers.typed(str, "text/plain", ("Content-Encoding", "gzip")))),
    Scenario("bytes that are no text", answers.after_a_page(answers.strange_bytes)),
    Scenario("a cursor that is too long", answers.long_cursor),
    Scenario("HTML with status 200", answers.in_html(200)),
    Scenario("error in a 200", answers.after_a_page(answers.error_in_200), config={"error_path": "error"}),
    Scenario("ok is false", answers.error_in_200, config={"ok_path": "ok"}),
    Scenario("keys that are secrets", answers.strange_keys),
    Scenario("the same page for ever", answers.same_page),
    Scenario("records that are refused", answers.wrong_type, "done", _WIDE),
    Scenario("not HTTP", answers.after_a_page(answers.garbage)),
    Scenario("a header that is none", answers.bad_header),
    Scenario("hangs up", answers.after_a_page(answers.hang_up)),
    Scenario("no such host", answers.pages, at="http://nowhere.invalid"),
    Scenario("connection refused", answers.pages, at="http://127.0.0.1:1"),
    Scenario("token refused", answers.pages, token=answers.refuse_token, needs_token=True),
    Scenario("token refused strangely", answers.pages, token=answers.strange_refusal, needs_token=True),
    Scenario("token server fails", answers.pages, token=answers.status(500), needs_token=True),
    Scenario("token server in HTML", answers.pages, token=answers.in_html(200), needs_token=True),
    Scenario("token server redirects", answers.pages, token=answers.token_elsewhere, needs_token=True),
    Scenario("token server hangs up", answers.pages, token=answers.hang_up, needs_token=True),
    Scenario("token refused later", answers.after_a_page(answers.status(401)), needs_token=True),
)
