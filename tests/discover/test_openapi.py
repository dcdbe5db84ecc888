"""API descriptions: which operations list records, and a file for one of them that loads."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from headrace.core.errors import InputError
from headrace.discover.document import read_file
from headrace.discover.openapi import Description
from headrace.pipeline.load import parse

ITEM = {
    "type": "object",
    "properties": {
        "id": {"type": "integer"}, "name": {"type": ["string", "null"]}, "price": {"type": "number"},
        "tags": {"type": "array", "items": {"type": "string"}}, "owner": {"$ref": "#/components/schemas/Owner"},
        "parent": {"$ref": "#/components/schemas/Item"},
    },
}  # fmt: skip
OWNER = {"allOf": [{"type": "object", "properties": {"login": {"type": "string"}}}]}


def answer(schema: Any) -> dict[str, Any]:
    return {"200": {"content": {"application/json": {"schema": schema}}}}


def query(*names: str, **more: Any) -> list[dict[str, Any]]:
    return [{"in": "query", "name": name, "schema": {"type": "string"}, **more} for name in names]


def page(**properties: Any) -> dict[str, Any]:
    items = {"type": "array", "items": {"$ref": "#/components/schemas/Item"}}
    return {"type": "object", "properties": {"data": items, **properties}}


TEXT, NUMBER, FLAG = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}


def document(operation: dict[str, Any], path: str = "/v1/items", **more: Any) -> dict[str, Any]:
    return {
        "openapi": "3.0.0", "servers": [{"url": "https://{place}.acme.com/", "variables": {"place": {"default": "api"}}}],
        "paths": {path: {"get": operation}, "/v1/items/{id}": {"get": {"responses": answer({"type": "object"})}}},
        "components": {"schemas": {"Item": ITEM, "Owner": OWNER}}, **more,
    }  # fmt: skip


def drafted(described: dict[str, Any], wanted: str | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
    text = Description(described, "acme.yaml").draft(wanted)
    assert parse(text, "acme.yml").warnings == ()
    read = yaml.safe_load(text)
    return read["source"], read["steps"][0]["config"]


@pytest.mark.parametrize(
    ("names", "schema", "paging"),
    [
        (["limit", "cursor"], page(next_cursor=TEXT), {"type": "cursor", "param": "cursor", "response_path": "next_cursor"}),
        (
            ["starting_after"], page(has_more=FLAG),
            {"type": "cursor", "param": "starting_after", "response_path": "data.-1.id", "more_path": "has_more"},
        ),
        (["page", "per_page"], page(total=NUMBER), {"type": "page", "param": "page", "total_path": "total"}),
        (["offset", "limit"], page(count=NUMBER), {"type": "offset", "param": "offset"}),
        ([], page(next=TEXT), {"type": "link", "response_path": "next"}),
        ([], page(), {"type": "none"}),
    ],
)  # fmt: skip
def test_paging_is_guessed_from_names(names: list[str], schema: dict[str, Any], paging: dict[str, Any]) -> None:
    source, config = drafted(document({"parameters": query(*names), "responses": answer(schema)}))
    assert source["base_url"] == "https://api.acme.com"
    assert config["pagination"] == paging
    assert config["data_path"] == "data"
    (table,) = config["tables"]
    assert table["key"] == ["id"]
    wanted = {
        "id": "id",
        "name": "name",
        "price": "price",
        "tags": "tags",
        "owner_login": "owner.login",
        "parent": "parent",
    }
    assert table["columns"] == wanted


@pytest.mark.parametrize(
    ("scheme", "auth"),
    [
        ({"type": "http", "scheme": "bearer"}, {"type": "bearer"}),
        ({"type": "http", "scheme": "basic"}, {"type": "basic"}),
        ({"type": "apiKey", "in": "header", "name": "X-Key"}, {"type": "header", "header_name": "X-Key"}),
        ({"type": "apiKey", "in": "query", "name": "key"}, {"type": "query", "param_name": "key"}),
        (
            {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "https://acme.com/token"}}},
            {"type": "oauth2", "token_url": "https://acme.com/token"},
        ),
        ({"type": "apiKey", "in": "cookie", "name": "sid"}, None),
    ],
)
def test_security_becomes_auth(scheme: dict[str, Any], auth: dict[str, Any] | None) -> None:
    described = document({"responses": answer(page())}, security=[{"main": []}])
    described["components"]["securitySchemes"] = {"main": scheme}
    source, _ = drafted(described)
    assert source.get("auth") == (auth and {**auth, "provider": "ACME"})


def test_what_has_to_be_given_is_an_input() -> None:
    parameters = [
        *query("since", required=True),
        *query("kind", required=True, schema={"enum": ["a", "b"]}),
        *query("x"),
    ]
    operation = {"parameters": parameters, "responses": answer({"type": "array", "items": ITEM})}
    described = document(operation, "/v1/orgs/{org.id}/items", servers=[])
    text = Description(described, "acme.yaml").draft(None)
    draft = parse(text, "acme.yml")
    assert sorted(draft.inputs) == ["base_url", "org_id", "since"]
    config = yaml.safe_load(text)["steps"][0]["config"]
    assert config["url"] == "/v1/orgs/{org_id}/items"
    assert config["params"] == {"since": "{since}", "kind": "a"}
    assert config["data_path"] == ""


def test_what_holds_a_list_is_no_list() -> None:
    described = document({"responses": answer(page())})
    pet = {"type": "object", "properties": {"id": NUMBER, "tags": page()["properties"]["data"]}}
    described["paths"]["/v1/pets/{id}"] = {"get": {"responses": answer(pet)}}
    assert drafted(described)[1]["url"] == "/v1/items"
    assert drafted(described, "/v1/pets/{id}")[1]["data_path"] == "tags"


def test_objects_of_unknown_fields_have_no_columns() -> None:
    _, config = drafted(document({"responses": answer({"type": "array", "items": {"type": "object"}})}))
    assert config["tables"] == [{"table": "items"}]


def test_a_cursor_may_be_a_number_and_a_server_have_a_slash_too_many() -> None:
    after = page(meta={"type": "object", "properties": {"after": {"type": "number"}}})
    described = document(
        {"parameters": query("after"), "responses": answer(after)}, servers=[{"url": "https://a.com//v1/"}]
    )
    source, config = drafted(described)
    assert source["base_url"] == "https://a.com/v1"
    assert config["pagination"] == {"type": "cursor", "param": "after", "response_path": "meta.after"}


def test_swagger_2() -> None:
    described = {
        "swagger": "2.0", "host": "acme.com", "basePath": "/v1", "schemes": ["https"], "definitions": {"Item": ITEM},
        "securityDefinitions": {"key": {"type": "basic"}}, "security": [{"key": []}],
        "paths": {"/items": {"get": {"responses": {"200": {"schema": {"type": "array", "items": {"$ref": "#/definitions/Item"}}}}}}},
    }  # fmt: skip
    source, config = drafted(described)
    assert source == {"base_url": "https://acme.com/v1", "auth": {"type": "basic", "provider": "ACME"}}
    assert config["url"] == "/items"


def test_several_endpoints_are_listed() -> None:
    described = document({"summary": "All items", "responses": answer(page())})
    described["paths"]["/v1/others"] = {"get": {"responses": answer(page())}}
    with pytest.raises(InputError, match=r"(?s)2 endpoints.*/v1/items  All items.*/v1/others"):
        drafted(described)
    assert drafted(described, "/v1/others")[1]["url"] == "/v1/others"
    with pytest.raises(InputError, match=r"did you mean '/v1/others'"):
        drafted(described, "/v1/other")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[1]",
        "{",
        "a: [",
        "openapi: 3",
        "paths: {}",
        "openapi: 3\npaths: {}",
        "openapi: 3\npaths: {/a: {get: []}, /b: 7}",
        "[" * 5000,
    ],
)
def test_what_is_no_description_says_so(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(InputError):
        Description(read_file(tmp_path / "a.yaml"), "a.yaml").draft(None)


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    from headrace.cli.main import cli

    monkeypatch.chdir(tmp_path)
    Path("acme.json").write_text(json.dumps(document({"responses": answer(page())})))
    run: Callable[..., Any] = cli.main
    assert run(["new", "mine.yml", "--from", "acme.json"], standalone_mode=False, obj={}) == 0
    assert "headrace preview mine.yml" in capfd.readouterr().out
    assert "pipeline_id: mine" in Path("mine.yml").read_text()
