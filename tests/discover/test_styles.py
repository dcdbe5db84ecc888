"""Each paging style of the sandbox: a draft from the request alone passes `check`, and its run lands every record."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

import headrace
from headrace.core.errors import SourceError
from headrace.discover.asked import Raw, part
from headrace.discover.curl import read_curl
from headrace.discover.endpoint import draft
from headrace.pipeline.load import parse
from headrace.sandbox import Options, Sandbox, run_in_thread
from headrace.sandbox.styles import all_styles

RECORDS = 237
KEY = "k3y-0f-the-s4ndbox-1234567890"
GIVEN = {
    # Where nothing in an answer names the parameter, the request has to: empty, as documentation shows it.
    "exclusive-cursor": "{url}?set=all&token_next=",
    "xml": "{url}?resume=",
    "same-cursor": "{url}?cursor=*",
    "offset-more": "{url}?skip=0",
    "cursor-header": "curl {url} -H 'X-Cursor;'",
    "cursor-json-body": """curl {url} --json '{{"filter": {{"status": "any"}}, "page": {{"after": null}}}}'""",
    "cursor-form": "curl {url} -d 'scope=all&cursor='",
    "post-body": """curl {url} --json '{{"page_size": 50}}'""",
    "graphql": "curl {url} --json '{{\"query\": \"query Page($first: Int, $after: String) {{ records(first: $first, after: $after) {{ totalCount }} }}\", \"variables\": {{\"first\": 50}}}}'",
    "graphql-get": "{url}?first=50&token=" + KEY,
}  # fmt: skip
BY_HAND = {"soap"}
"""The page number lies inside an XML envelope: nothing says where."""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with run_in_thread(Options(records=RECORDS, page_size=50)) as served:
        yield served


@pytest.mark.parametrize("name", [name for name in all_styles() if name not in BY_HAND])
def test_a_draft_of_a_style_lands_every_record(sandbox: Sandbox, tmp_path: Path, name: str) -> None:
    sandbox.reset()
    given = GIVEN.get(name, "{url}").format(url=sandbox.url + all_styles()[name].path)
    raw = read_curl(given) if given.startswith("curl ") else Raw(given)
    text = draft(part(raw, safe=True), "a test", name="landed")
    assert KEY not in text
    assert parse(text, "landed.yml").warnings == (), text
    assert sandbox.stats()["requests"] <= 10, "a draft costs a handful of requests"
    sandbox.reset()
    file, database = tmp_path / "landed.yml", tmp_path / "landed.sqlite"
    file.write_text(re.sub(r"(  base_url: .*\n)", r"\1  rate_limit: {requests_per_second: 1000}\n", text))
    status = ""
    for _ in range(6):
        with contextlib.suppress(SourceError):  # error-in-200 fails on each third page, once
            status = headrace.run(
                file, destination=f"sqlite:///{database}", run_id=name, secrets={"MY_API": KEY}, state=tmp_path / "state"
            ).status  # fmt: skip
            break
    assert status == "done", text
    assert "key: [id]" in text, text
    with contextlib.closing(sqlite3.connect(database)) as landed:
        found = landed.execute("SELECT count(*), count(DISTINCT id) FROM landed").fetchone()
    wanted = RECORDS - RECORDS // 9 if name == "page-gaps" else RECORDS
    assert found == (wanted, wanted), json.dumps([found, text])
