"""Every paging style and way of signing, end to end: exact counts, each page asked for once."""

from __future__ import annotations

from typing import Any

import pytest

from headrace.core.errors import AuthRefused, ErrorInAnswer
from headrace.sandbox.styles import all_styles
from headrace.sandbox.styles._common import Style

SIZED = {
    "post-body": {"body": {"json": {"page_size": 50}}},
    "graphql": {"graphql": {"query": "query Q($first: Int, $after: String) { records { totalCount } }", "variables": {"first": 50}}},
}  # fmt: skip
NAMES = ("limit", "per_page", "rows", "take", "count", "$top", "first")
SEEN_OTHERWISE = {"error-in-200", "page-gaps", "whole", "graphql-get"}


def step_of(style: Style, base: str, size: int = 50) -> dict[str, Any]:
    """An extract step that walks a style, `size` records a page where the style can be told."""
    params = "&".join(f"{name}={size}" for name in NAMES)
    config = {**style.extract, **SIZED.get(style.name, {}), "rate_limit": {"requests_per_second": 1000}}
    url = f"{base}{style.path}"
    if style.name not in ("exclusive-cursor", "graphql-get", "last-id", "offset-more"):
        url += f"?{params}"
    return {"url": url, **config, "destination": {"table": "landed"}, "transform": {"flatten": True}}


@pytest.mark.parametrize("name", sorted(all_styles()))
def test_each_style_gives_every_record_once(name: str, place: Any, sandbox: Any) -> None:
    style = all_styles()[name]
    result_rows = 230 - 230 // 9 if name == "page-gaps" else 230
    file = place.file(step_of(style, sandbox.url))
    secrets = {"SANDBOX": "test-token"}
    if name == "error-in-200":  # the third page fails once: the run fails, and goes on from there
        with pytest.raises(ErrorInAnswer, match="lost its thread"):
            place.run(file, run_id="r", secrets=secrets)
        assert place.one("SELECT status FROM headrace_runs") == "failed"
        assert place.one("SELECT count(*) FROM landed") == 100
    result = place.run(file, run_id="r", secrets=secrets)
    assert result.status == "done", result
    column = "id" if "id" in place.columns("landed") else '"@id"'
    ids = [int(i) for (i,) in place.rows(f"SELECT {column} FROM landed")]
    assert len(ids) == len(set(ids)) == result_rows
    asked = sandbox.stats()
    if name not in ("same-cursor", "error-in-200"):  # one cursor text for all pages; one page asked for again
        assert asked["repeated"] == 0
    if name not in SEEN_OTHERWISE:
        assert len(place.raw("crawl_raw_pages", "r")) >= 3


def sign(sandbox: Any, auth: dict[str, Any]) -> dict[str, Any]:
    return {
        "url": f"{sandbox.url}/echo",
        "auth": auth,
        "transform": {"flatten": True},
        "destination": {"table": "echo"},
    }


@pytest.mark.parametrize(
    ("auth", "where"),
    [
        ({"type": "bearer"}, ("authorization", "Bearer ")),
        ({"type": "header"}, ("x-api-key", "")),
        ({"type": "header", "header_name": "X-Other"}, ("x-other", "")),
        ({"type": "query", "param_name": "api_key"}, ("target", "")),
        ({"type": "basic"}, ("authorization", "Basic dXNlcjp0b3Atc2VjcmV0LTEyMw==")),
    ],
    ids=["bearer", "header", "header-named", "query", "basic"],
)
def test_every_way_of_signing(auth: dict[str, Any], where: tuple[str, str], place: Any, sandbox: Any) -> None:
    secret = "user:top-secret-123" if auth["type"] == "basic" else "top-secret-123"
    file = place.file(sign(sandbox, {**auth, "provider": "ECHO"}))
    assert place.run(file, run_id="r", secrets={"echo_api_key": secret}).status == "done"
    if auth["type"] != "basic":  # the sandbox knows keys by their hash
        from headrace.sandbox.stats import hashed

        if where[0] != "x-other":
            assert hashed(secret) in sandbox.stats()["keys"]
    kept = repr(place.rows("SELECT * FROM echo")) + repr(place.raw("crawl_raw_pages", "r"))
    assert "***" in kept  # what the API echoed was struck out
    assert "top-secret-123" not in kept
    assert "dXNlcjp0b3At" not in kept


def oauth(sandbox: Any, **more: Any) -> dict[str, Any]:
    return {
        "url": f"{sandbox.url}/oauth/records?limit=50",
        "auth": {"type": "oauth2", "provider": "O", **more},
        "pagination": {"type": "cursor", "param": "cursor", "response_path": "meta.next_cursor"},
        "destination": {"table": "landed"},
    }


def test_oauth2_client_credentials_renewed_when_they_run_out(place: Any, sandbox: Any) -> None:
    config = oauth(sandbox, token_url=f"{sandbox.url}/oauth/token?uses=2")
    secret = '{"client_id": "me", "client_secret": "hush-hush-hush"}'
    assert place.run(place.file(config), secrets={"O": secret}).status == "done"
    assert place.one("SELECT count(*) FROM landed") == 230
    asked = sandbox.stats()
    assert asked["by_path"]["/oauth/token"] == 3  # five pages, two for each token
    assert asked["by_status"]["401"] == 2


def test_oauth2_refresh_tokens_rotate(place: Any, sandbox: Any) -> None:
    """Each use replaces the refresh token: a second run has to know the new one."""
    config = oauth(sandbox, token_url=f"{sandbox.url}/oauth/token?uses=3")
    secret = '{"client_id": "me", "client_secret": "hush-hush-hush", "refresh_token": "refresh-0"}'
    file = place.file(config)
    for run_id in ("r1", "r2"):
        assert place.run(file, run_id=run_id, secrets={"O": secret}).status == "done"
    assert place.one("SELECT count(*) FROM landed") == 460
    assert sandbox.stats()["by_path"]["/oauth/token"] >= 4


def test_a_refused_key_is_fatal_and_not_shown(place: Any, sandbox: Any) -> None:
    sandbox.fault("status_401")
    config = {
        "url": f"{sandbox.url}/styles/whole",
        "auth": {"type": "bearer", "provider": "P"},
        "destination": {"table": "t"},
    }
    with pytest.raises(AuthRefused) as refused:
        place.run(place.file(config), secrets={"P": "hush-hush-hush"})
    assert "hush-hush" not in str(refused.value)
    assert sandbox.stats()["requests"] == 1
