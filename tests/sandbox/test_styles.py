"""Each style, walked to its end: every record once, in order."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest
from tests.sandbox.walks import RECORDS, WALKS

from headrace.sandbox.styles import all_styles


@pytest.mark.parametrize("name", all_styles())
def test_walked_to_its_end(name: str, start: Any) -> None:
    ask = start(records=RECORDS).ask
    pages = [[row["id"] for row in page] for page in WALKS[name](ask)]
    wanted = [i for i in range(1, RECORDS + 1) if name != "page-gaps" or i % 9]
    assert [i for page in pages for i in page] == wanted
    assert len(pages) > 4 or name == "whole"


@pytest.mark.parametrize("name", all_styles())
def test_described_by_keys_that_an_extract_step_has(name: str) -> None:
    from headrace.steps.generic.api_extractor import ApiExtractor

    style = all_styles()[name]
    ApiExtractor(url=f"http://127.0.0.1{style.path}", destination={"table": "t"}, **style.extract)


def test_size_by_query(start: Any) -> None:
    ask = start(records=10, page_size=4).ask
    assert len(ask("/styles/cursor-query").json["data"]) == 4
    assert len(ask("/styles/cursor-query?records=60&limit=50").json["data"]) == 50
    assert len(ask("/styles/whole?records=60").json["data"]) == 60


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/styles/cursor-query?cursor=nonsense", 400),
        ("/styles/cursor-query?cursor=25%3A", 400),
        ("/styles/cursor-query?limit=0", 400),
        ("/styles/exclusive-cursor?token_next=25&limit=3", 400),
        ("/styles/last-id?starting_after=9999", 400),
        ("/styles/page-total?page=99", 400),
        ("/styles/page-gaps?page=99", 404),
        ("/styles/graphql-get", 401),
        ("/styles/cursor-json-body", 405),
        ("/styles/none-such", 404),
    ],
)
def test_refusals_are_json(target: str, status: int, start: Any) -> None:
    got = start(records=50).ask(target)
    assert got.status == status
    assert got.json["message"]


def test_errors_inside_a_200(start: Any) -> None:
    ask = start(records=50).ask
    assert ask("/styles/ok-flag?cursor=x").json == {"ok": False, "error": "invalid_cursor"}
    got = ask("/styles/graphql", method="POST", body={"query": "{ nothing }"})
    assert got.status == 200
    assert got.json["errors"]
    fault = ask("/styles/soap", method="POST", body=b"<x/>", headers={"SOAPAction": "urn:sandbox:ListRecords"})
    assert fault.status == 500
    assert b"Fault" in fault.body


def test_oauth_tokens_expire_by_use_and_refresh_tokens_rotate(start: Any) -> None:
    ask = start(records=50).ask
    form = {"grant_type": "client_credentials", "client_id": "a", "client_secret": "b"}
    assert ask("/oauth/records").status == 401
    token = ask("/oauth/token?uses=2", method="POST", body=urlencode(form).encode()).json["access_token"]
    bearer = {"Authorization": f"Bearer {token}"}
    assert [ask("/oauth/records", headers=bearer).status for _ in range(3)] == [200, 200, 401]
    refresh = {"grant_type": "refresh_token", "refresh_token": "refresh-0"}
    first = ask("/oauth/token", method="POST", body=urlencode(refresh).encode()).json
    assert ask("/oauth/records", headers={"Authorization": f"Bearer {first['access_token']}"}).status == 200
    again = ask("/oauth/token", method="POST", body=urlencode(refresh).encode())
    assert (again.status, again.json["error"]) == (400, "invalid_grant")
    refresh["refresh_token"] = first["refresh_token"]
    assert ask("/oauth/token", method="POST", body=urlencode(refresh).encode()).status == 200
    form["client_secret"] = ""
    assert ask("/oauth/token", method="POST", body=urlencode(form).encode()).status == 401


def test_echo_gives_the_request_back(start: Any) -> None:
    got = start().ask("/echo?a=%2B&a=2", method="PUT", body=b"text", headers={"X-One": "1"}).json["data"][0]
    assert (got["method"], got["params"], got["body"]) == ("PUT", [["a", "+"], ["a", "2"]], "text")
    assert got["headers"]["x-one"] == "1"


def test_tvmaze_pages_have_gaps_and_end_with_404(start: Any) -> None:
    ask = start(titles=600).ask
    ids: list[int] = []
    sizes: list[int] = []
    number = 0
    while (got := ask("/shows", {"page": number})).status == 200:
        assert all(number * 250 <= show["id"] < number * 250 + 250 for show in got.json)
        sizes.append(len(got.json))
        ids += [show["id"] for show in got.json]
        number += 1
    assert got.status == 404
    assert number == 3
    assert all(200 < size < 250 for size in sizes[:2])
    assert len(set(ids)) == len(ids)
    casts = [ask(f"/shows/{i}/cast").json for i in ids[:100]]
    people = [[part["person"]["id"] for part in cast] for cast in casts]
    assert any(len(set(one)) < len(one) for one in people), "one person plays two parts"
    assert ask("/shows/9999/cast").status == 404
