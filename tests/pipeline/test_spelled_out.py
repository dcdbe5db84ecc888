"""Credentials that a file spells out: hidden where the file is stored, known to whoever masks."""

from __future__ import annotations

from headrace.pipeline.secrets import mask, mask_url, spelled_out

CONFIG = {
    "url": "https://api.test/items?api_key=in-the-url&page=1",
    "headers": {
        "Authorization": "Bearer in-the-header",
        "Accept": "text/csv",
        "X-Token": "{token}",
        "X-Key": "{env.KEY}",
    },
    "params": {"access_token": "in-a-parameter", "country": "us"},
    "body": {"json": {"auth": {"password": "in-the-body"}, "tokens": ["in-a-list"], "limit": 5}, "form": None},
    "graphql": {"variables": {"secret": "in-a-variable"}},
    "auth": {"type": "oauth2", "extra": {"client_secret": "in-an-extra"}, "secret_key": "NAME"},
    "tables": [{"table": "t", "columns": {"token": "token", "password": {"path": "a.password"}}}],
}


def test_what_is_stored_has_none_of_them() -> None:
    stored = mask(CONFIG)
    assert "in-" not in str(stored)
    assert stored["headers"] == {
        "Authorization": "***",
        "Accept": "text/csv",
        "X-Token": "{token}",
        "X-Key": "{env.KEY}",
    }
    assert stored["params"]["country"] == "us"
    assert stored["tables"] == CONFIG["tables"]
    assert stored["auth"]["secret_key"] == "NAME"


def test_what_is_masked_is_all_of_them() -> None:
    found = set(spelled_out(CONFIG, lambda text: text.replace("{env.KEY}", "from-the-environment")))
    assert found >= {
        "in-the-url", "Bearer in-the-header", "in-the-header", "in-a-parameter", "in-the-body", "in-a-list", "in-a-variable",
        "in-an-extra", "from-the-environment",
    }  # fmt: skip
    assert found.isdisjoint({"us", "text/csv", "{token}", "token", "NAME", "a.password", "1"})


def test_user_info() -> None:
    assert mask_url("https://user:pass@api.test/x") == mask_url("https://token@api.test/x") == "https://***@api.test/x"
    assert mask_url("postgresql://me:pass@db/x") == "postgresql://me:***@db/x"
    assert mask_url("postgresql://me@db/x") == "postgresql://me@db/x"
    found = list(spelled_out({"base_url": "https://user:p%2Fq@api.test"}, str))
    assert found == ["p/q", "p%2Fq"]
    assert list(spelled_out({"base_url": "https://[broken"}, str)) == []
