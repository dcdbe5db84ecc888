"""What is read out of a curl command or a URL, and what of it goes into a file."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from headrace.core.errors import InputError
from headrace.discover.asked import Raw, part, provider_of
from headrace.discover.curl import is_curl, read_curl
from headrace.discover.draft import flow
from headrace.discover.records import columns, key_of, lists, moments
from headrace.pipeline import yaml

SECRET = "sk_test_4eC39HqLyjWDarjtT1zdp7dc"
BASIC = base64.b64encode(f"me:{SECRET}".encode()).decode()


@pytest.mark.parametrize(
    ("command", "auth"),
    [
        (f"curl https://api.acme.com/v1/items -H 'Authorization: Bearer {SECRET}'", {"type": "bearer"}),
        (f"curl https://api.acme.com/v1/items -u {SECRET}:", {"type": "basic"}),
        (f"curl -u{SECRET}: https://api.acme.com/v1/items", {"type": "basic"}),
        (f"curl --user='{SECRET}:x' https://api.acme.com/v1/items", {"type": "basic"}),
        (f"curl https://me:{SECRET}@api.acme.com/v1/items", {"type": "basic"}),
        (f"curl https://api.acme.com/v1/items -H 'Authorization: Basic {BASIC}'", {"type": "basic"}),
        (f"curl https://api.acme.com/v1/items -H 'Authorization: {SECRET}'", {"type": "header", "header_name": "Authorization"}),
        (f"curl https://api.acme.com/v1/items -H 'X-API-Key: {SECRET}'", {"type": "header", "header_name": "X-API-Key"}),
        (f"curl https://api.acme.com/v1/items -H 'X-Whatever: {SECRET}'", {"type": "header", "header_name": "X-Whatever"}),
        (f"curl 'https://api.acme.com/v1/items?api_key={SECRET}'", {"type": "query", "param_name": "api_key"}),
        (f"curl -G https://api.acme.com/v1/items -d access_token={SECRET}", {"type": "query", "param_name": "access_token"}),
        (f"curl https://api.acme.com/v1/items --oauth2-bearer {SECRET}", {"type": "bearer"}),
        (f"curl https://api.acme.com/v1/items -b session={SECRET}", None),
        (f"curl https://api.acme.com/{SECRET}/items", None),
        (f"curl 'https://api.acme.com/v1/items?thing={SECRET}'", None),
        (f"curl https://api.acme.com/v1/items -d '{{\"password\": \"{SECRET}\"}}'", None),
        (f"curl https://api.acme.com/v1/items -d 'a=b&client_secret={SECRET}'", None),
        (f"curl https://api.acme.com/v1/items -H 'Cookie: a={SECRET}' -H 'X-CSRF-Token: {SECRET}'", None),
    ],
)  # fmt: skip
def test_a_secret_never_gets_into_the_configuration(command: str, auth: dict[str, Any] | None) -> None:
    asked = part(read_curl(command))
    shown = repr(asked) + repr(asked.config) + repr(asked.notes) + asked.url
    assert SECRET not in shown
    assert BASIC not in shown
    assert asked.config.get("auth") == (auth and {**auth, "provider": "ACME"})
    if auth is not None:
        assert asked.secret is not None
        assert SECRET in asked.secret.value
        assert asked.environ == {}


def test_what_is_no_secret_stays() -> None:
    raw = read_curl(
        "curl -sS -L --compressed 'https://api.acme.com/v1/orgs/0b9c1d7e-1111-4222-8333-444455556666/items?status=open"
        "&since=2024-01-01T00:00:00Z&tag=a&tag=b&page=3&cursor=' \\\n  -H 'Accept: application/json' -H 'User-Agent: x' "
        "-H 'Acme-Version: 2024-01-01' -o out.json"
    )
    asked = part(raw)
    assert asked.config == {
        "url": "/v1/orgs/0b9c1d7e-1111-4222-8333-444455556666/items",
        "params": {"status": "open", "since": "2024-01-01T00:00:00Z", "tag": ["a", "b"]},
        "repeat_params": ["tag"],
        "headers": {"Accept": "application/json", "Acme-Version": "2024-01-01"},
    }
    assert asked.hints == (("query", "page", "3"), ("query", "cursor", ""))
    assert asked.base_url == "https://api.acme.com"


def test_braces_of_a_request_are_no_variables() -> None:
    assert part(Raw("https://a.com/x?filter={a}")).config["params"] == {"filter": "{{a}"}


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("curl 'https://a.com", "never closed"),
        ("curl -s", "no address"),
        ("curl https://a.com -X DELETE", "DELETE"),
        ("curl https://a.com -F file=@x", "uploads"),
        ("curl https://a.com -d @body.json", "reads a file"),
        ("curl https://a.com -H", "no value"),
    ],
)
def test_a_command_that_cannot_be_used_says_why(command: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_curl(command)


@pytest.mark.parametrize("url", ["https://", "https://a b.com/", "https://[::1/x", "https://a.com:port/"])
def test_a_bad_address_says_so(url: str) -> None:
    with pytest.raises(InputError, match="address"):
        part(Raw(url))


def test_names() -> None:
    hosts = ("api.hubspot.com", "127.0.0.1", "acme.io", "streaming-availability.p.rapidapi.com", "localhost")
    assert [provider_of(host) for host in hosts] == ["HUBSPOT", "MY_API", "ACME", "RAPIDAPI", "LOCALHOST"]
    assert is_curl("$ curl x")
    assert not is_curl("curly")


def test_the_records_are_the_longest_list_of_objects() -> None:
    document = {
        "links": [{"rel": "next", "href": "/2"}], "included": [{"id": 1}] * 3, "data": [{"id": 1}, {"id": 2}], "x": [1, 2, 3],
        "deep": {"a.b": [{"n": n} for n in range(9)]},
    }  # fmt: skip
    assert [one.path for one in lists(document)] == ['deep."a.b"', "data", "included"]
    assert [one.path for one in lists({"1": {"a": 1}, "2": {"a": 2}})] == ["*"]
    assert lists({"owner": {"id": 1}, "team": {"id": 2}}) == []


def test_a_list_for_each_day_is_one_list() -> None:
    days = {"2015-09-07": [{"id": 1}], "2015-09-08": [], "2015-09-09": [{"id": 2}, {"id": 3}]}
    assert [(one.path, len(one.records)) for one in lists({"count": 3, "days": days})] == [("days.*.*", 3)]
    assert next(one.path for one in lists({"days": {**days, "note": [{"id": 4}]}})) == "days.2015-09-09"


def test_moments_are_told_from_days_and_words() -> None:
    record = {
        "at": "2024-01-10T12:00:00.123456Z",
        "on": "2024-01-10",
        "word": "2024-01-10T12:00:00Z or so",
        "none": None,
    }
    found = {name: name for name in record}
    assert moments(found, [record, {**record, "at": "2024-01-10 12:00:00+02:00"}, {**record, "at": None}]) == {"at"}


def test_columns_and_key() -> None:
    records: list[dict[str, Any]] = [
        {
            "user_id": 7,
            "a.b": 1,
            "owner": {"name": "x"},
            "Tags": [1],
            "tags": "t",
            "big": {str(n): n for n in range(20)},
        },
        {"user_id": 8, "a.b": None, "owner": None, "Tags": [], "tags": "t", "big": {}},
    ]
    found = columns(records)
    assert found == {
        "user_id": "user_id", "a_b": '"a.b"', "owner_name": "owner.name", "Tags": "Tags", "tags_2": "tags", "big": "big",
    }  # fmt: skip
    assert key_of(found, records, "users") == "user_id"
    assert key_of(found, [*records, records[0]], "users") is None


@pytest.mark.parametrize(
    "value", ["", "no", "a: b", "#x", "1", "null", "é\n\"'", "{x}", " a", "a ", "a #b", {"a b": [1, None, "y"]}]
)
def test_what_is_written_is_read_back(value: Any) -> None:
    assert yaml.read(f"x: {flow(value)}\ny: [{flow(value)}]\n", "f.yml").data == {"x": value, "y": [value]}
