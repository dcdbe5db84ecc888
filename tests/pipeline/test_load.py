"""From a file and what a run is given to a pipeline that can run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.pipeline.files import ENVIRONMENTS, INPUTS, NOW, STEP, bind, extractor, pipeline

from headrace import pipelines
from headrace.core.errors import InputError, PipelineFileError, UsageError
from headrace.core.params import resolve_params
from headrace.core.templates import UnknownVariable
from headrace.pipeline.load import load, parse


class TestSources:
    def test_every_built_in_pipeline_loads(self) -> None:
        assert "sapi" in pipelines.names()
        for name in pipelines.names():
            assert parse(pipelines.read(name), name).pipeline.steps

    def test_unknown_name(self) -> None:
        with pytest.raises(UsageError, match="'sappi' is neither a file nor a built-in pipeline, did you mean 'sapi'"):
            load("sappi")

    @pytest.mark.parametrize("name", ["a\0b", "x" * 5000, ""])
    def test_names_that_no_file_can_have(self, name: str) -> None:
        with pytest.raises(UsageError):
            load(name)

    def test_a_directory(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="cannot read"):
            load(tmp_path)

    def test_a_bare_list_is_named_after_its_file(self, tmp_path: Path) -> None:
        file = tmp_path / "my api (v2).yml"
        file.write_text(STEP.format(name="extract"))
        loaded = load(file, environ={})
        assert loaded.pipeline.pipeline_id == "my-api-v2"
        assert loaded.file == str(file)

    def test_problems_of_a_bare_list_have_their_place(self) -> None:
        with pytest.raises(PipelineFileError) as error:
            parse("- step: a\n  processor: generic.api_extractor\n  config: {urll: x}\n", "f")
        assert error.value.problems == [
            "f:3:3: steps.a.url: missing",
            "f:3:12: steps.a.urll: unknown key, did you mean 'url'?",
        ]

    def test_ps_type(self) -> None:
        loaded = bind(pipeline().replace("processor:", "ps_type:"))
        assert loaded.pipeline.steps[0].processor == "generic.api_extractor"


class TestSourceBlock:
    HEAD = """source:
  base_url: https://api.test/v1
  auth: {type: header, header_name: X-Key, provider: ACME}
  headers: {Accept: application/json, X-Host: a}
  rate_limit: {requests_per_second: 2}
  timeout: 5
"""

    def test_is_under_every_step_and_the_step_wins(self) -> None:
        config = "headers: {X-Host: b}\n      auth: {type: bearer, provider: OTHER}\n      timeout: 7"
        loaded = bind(pipeline(self.HEAD, config).replace("https://api.test/items", "/items"))
        found = extractor(loaded)
        assert found.base_url == "https://api.test/v1"
        assert found.headers == {"Accept": "application/json", "X-Host": "b"}
        assert found.auth is not None
        assert found.auth.model_dump()["type"] == "bearer"
        assert found.rate_limit.requests_per_second == 2
        assert found.timeout == 7

    def test_null_takes_away_what_is_inherited(self) -> None:
        assert extractor(bind(pipeline(self.HEAD, "auth: null"))).auth is None

    def test_the_same_type_is_joined(self) -> None:
        found = extractor(bind(pipeline(self.HEAD, "auth: {provider: OTHER}")))
        assert found.auth is not None
        assert found.auth.model_dump(include={"header_name", "provider"}) == {
            "header_name": "X-Key",
            "provider": "OTHER",
        }

    def test_one_mistake_in_it_is_one_problem(self) -> None:
        steps = STEP.format(name="a") + STEP.format(name="b")
        with pytest.raises(PipelineFileError) as error:
            bind(pipeline("source: {timeout: soon}", steps=steps))
        assert error.value.problems == ["f.yml:2:19: source.timeout: expected a number, got 'soon'"]


class TestInputs:
    def test_defaults(self) -> None:
        assert dict(bind(pipeline(INPUTS)).params) == {
            "country": "us", "catalogs": ["netflix", "prime"], "genre": None, "filters": None, "limit": 5,
            "share": None, "full": False, "since": None, "state": "open",
        }  # fmt: skip

    def test_texts_of_a_command_line(self) -> None:
        given = {
            "country": "de", "catalogs": "netflix, prime.buy ,", "filters.order_by": "title", "filters.desc": "yes",
            "limit": "10", "share": "0.5", "full": "true", "since": "2026-01-31",
        }  # fmt: skip
        assert dict(bind(pipeline(INPUTS), params=given).params) == {
            "country": "de", "catalogs": ["netflix", "prime.buy"], "genre": None,
            "filters": {"order_by": "title", "desc": "yes"}, "limit": 10, "share": 0.5, "full": True,
            "since": "2026-01-31", "state": "open",
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ({"contry": "de"}, "unknown input 'contry', did you mean 'country'?"),
            ({"limit": "ten"}, "limit: expected a whole number, got 'ten'"),
            ({"limit": True}, "limit: expected a whole number, got True"),
            ({"share": "half"}, "share: expected a number, got 'half'"),
            ({"full": "maybe"}, "full: expected true or false, got 'maybe'"),
            ({"since": "31.1.2026"}, "since: expected a date such as 2026-01-31, got '31.1.2026'"),
            ({"filters": "title"}, "filters is a map: give its members, such as filters.key=value"),
            ({"country.x": "1"}, "country is a string, not a map: write country=…"),
            ({"state": "opne"}, "state: 'opne' is none of open, closed, did you mean 'open'?"),
            ({"country": ["us"]}, "country: expected a text, got ['us']"),
            ({"catalogs": {"a": 1}}, "catalogs: expected a list, got {'a': 1}"),
        ],
    )
    def test_what_does_not_fit(self, given: dict[str, Any], message: str) -> None:
        with pytest.raises(InputError) as error:
            bind(pipeline(INPUTS), params=given)
        assert error.value.message == message

    def test_without_the_block_free_names_are_required(self) -> None:
        text = pipeline(config='params: {a: "{status}", b: "{region}", c: "{run_id}", d: "{start_date}"}')
        assert list(parse(text, "f").inputs) == ["status", "region", "start_date"]
        with pytest.raises(InputError) as error:
            bind(text, params={"status": 5})
        assert error.value.message == "missing: region, start_date"
        assert error.value.hint == "give --param region=… --param start_date=…"

    def test_missing_required_inputs_are_all_named(self) -> None:
        with pytest.raises(InputError, match="missing: a, b"):
            bind(pipeline("inputs: {a: {}, b: {type: int}, c: {default: 1}}"))


class TestParams:
    CONFIG = (
        'params: {country: "{country}", catalogs: "{catalogs}", genres: "{genre}", more: "{filters}", '
        'n: "{limit}", full: "{full}", fixed: 1, off: null, list: [a, "{country}", "{genre}"], text: "x-{country}"}'
    )

    def pairs(self, **given: Any) -> list[tuple[str, str]]:
        loaded = bind(pipeline(INPUTS, self.CONFIG), params=given)
        lookup = loaded.variables.lookup(run_id="r", now=NOW)
        config = extractor(loaded)
        return list(resolve_params(config.params, lookup, config.repeat_params))

    def test_absent_optional_inputs_leave_their_key_out(self) -> None:
        assert self.pairs() == [
            ("country", "us"), ("catalogs", "netflix,prime"), ("n", "5"), ("full", "false"), ("fixed", "1"),
            ("list", "a,us"), ("text", "x-us"),
        ]  # fmt: skip

    def test_a_map_is_merged_and_wins(self) -> None:
        found = dict(self.pairs(filters={"order_by": "title", "country": "fr", "ids": [1, 2], "none": None}))
        assert found["order_by"] == "title"
        assert found["country"] == "fr"
        assert found["ids"] == "1,2"
        assert "more" not in found
        assert "none" not in found

    def test_repeat(self) -> None:
        head = "inputs: {tags: {type: list, repeat: true}}"
        loaded = bind(pipeline(head, 'params: {tag: "{tags}", all: "x,{tags}"}'), params={"tags": "a,b"})
        config = extractor(loaded)
        assert config.repeat_params == ["tag"]
        lookup = loaded.variables.lookup(run_id="r", now=NOW)
        assert resolve_params(config.params, lookup, config.repeat_params) == (
            ("tag", "a"), ("tag", "b"), ("all", "x,a,b"),
        )  # fmt: skip

    @pytest.mark.parametrize("value", [{"gte": 1}, ["a", {"b": 1}]])
    def test_nested_values_are_refused(self, value: Any) -> None:
        with pytest.raises(InputError, match="a mapping cannot be sent as a query parameter: created"):
            resolve_params({"created": value}, str)


class TestVariables:
    def test_what_each_name_gives(self) -> None:
        text = pipeline(
            INPUTS + "environments: {dev: {bucket: 'b-{env.USER}', org_slug: acme}}", 'params: {a: "{bucket}"}'
        )
        loaded = bind(text, env="dev", params={"since": "2026-01-02", "filters.a": "1"}, environ={"USER": "me"})
        get = loaded.variables.lookup(run_id="r-1", now=NOW, steps={"crawl": {"rows_extracted": 7}})
        expected = {
            "org_slug": "acme", "run_id": "r-1", "request_id": "r-1", "now": "2026-01-01T00:00:00Z",
            "now_unix": 1767225600, "date": "2026-01-01", "date_unix": 1767225600, "country": "us", "genre": None,
            "filters.a": "1", "filters.b": None, "since_unix": 1767312000, "env.USER": "me", "bucket": "b-me",
            "steps.crawl.rows_extracted": 7,
        }  # fmt: skip
        assert {name: get(name) for name in expected} == expected
        for name in ("nothing", "steps.crawl.x", "steps.other.x", "slice.x", "country.x"):
            with pytest.raises(UnknownVariable):
                get(name)
        with pytest.raises(InputError, match="HOME is not set"):
            get("env.HOME")

    @pytest.mark.parametrize(
        ("given", "expected"),
        [("2026-01-01", 1767225600), ("2026-01-01T01:00:00+01:00", 1767225600), ("2026-01-01T00:00:00Z", 1767225600)],
    )
    def test_start_date_unix(self, given: str, expected: int) -> None:
        loaded = bind(pipeline(config='params: {a: "{start_date_unix}"}'), params={"start_date": given})
        assert loaded.variables.lookup(run_id="r", now=NOW)("start_date_unix") == expected

    def test_a_graphql_query_is_not_templated(self) -> None:
        graphql = 'graphql: {query: "query { items {id} }", variables: {after: "{cursor_from}"}}'
        assert list(parse(pipeline(config=graphql), "f").inputs) == ["cursor_from"]

    def test_environment_variables_have_to_be_set(self) -> None:
        text = pipeline(config='headers: {X: "{env.A_HOST}"}')
        assert bind(text, environ={"A_HOST": "h"})
        with pytest.raises(InputError, match="environment variable A_HOST is not set"):
            bind(text)

    def test_only_the_chosen_environment_needs_its_variables(self) -> None:
        text = pipeline('environments: {dev: {destination: "sqlite:///dev.db"}, prod: {destination: "{env.PROD_DB}"}}')
        assert bind(text, env="dev").destination == "sqlite:///dev.db"
        assert bind(text, env="prod", environ={"PROD_DB": "duckdb:///p"}).destination == "duckdb:///p"
        with pytest.raises(InputError, match="PROD_DB is not set"):
            bind(text, env="prod")


class TestEnvironments:
    def value(self, **given: Any) -> Any:
        return bind(ENVIRONMENTS, **given).variables.lookup(run_id="r", now=NOW)("project")

    def test_argument_then_variable(self) -> None:
        assert self.value(env="dev", environ={"ENV_SHORT_NAME": "prod"}) == "a"
        assert self.value(environ={"ENV_SHORT_NAME": "prod"}) == "b"

    def test_none_chosen(self) -> None:
        with pytest.raises(InputError) as error:
            self.value()
        assert str(error.value) == (
            "no environment is chosen, and project depends on it\n  choose with --env or ENV_SHORT_NAME: dev, prod"
        )

    def test_unknown(self) -> None:
        with pytest.raises(
            InputError, match=r"unknown environment 'pord' \(from ENV_SHORT_NAME\), did you mean 'prod'"
        ):
            self.value(environ={"ENV_SHORT_NAME": "pord"})
        with pytest.raises(InputError, match="unknown environment 'x'\n  environments: the file has none"):
            bind(pipeline(), env="x")

    def test_a_foreign_variable_does_not_matter_to_a_file_without_environments(self) -> None:
        assert bind(pipeline(), environ={"HEADRACE_ENV": "prod"}).environment is None

    def test_a_value_that_the_environment_lacks(self) -> None:
        text = ENVIRONMENTS.replace("prod: {project: b,", "prod: {")
        with pytest.raises(InputError, match="environment 'prod' has no value for project"):
            bind(text, env="prod")

    def test_organisation(self) -> None:
        assert bind(ENVIRONMENTS, env="prod").org == "big"
        assert bind(ENVIRONMENTS, env="prod", org="mine").org == "mine"
        assert bind(ENVIRONMENTS, env="dev", environ={"HEADRACE_ORG": "env"}).org == "env"
        assert bind(pipeline("org: file"), environ={"HEADRACE_ORG": "env"}).org == "file"
        assert bind(ENVIRONMENTS, env="dev").org == "default"


def test_destination_precedence() -> None:
    environ = {"HEADRACE_DESTINATION": "sqlite:///h.db", "DATABASE_URL": "sqlite:///d.db"}
    text = pipeline("destination: 'sqlite:///{org_slug}.db'\nenvironments: {prod: {destination: 'duckdb:///prod'}}")
    assert bind(text, destination="duckdb:///x", environ=environ).destination == "duckdb:///x"
    assert bind(text, env="prod", environ=environ).destination == "duckdb:///prod"
    assert bind(text, environ=environ).destination == "sqlite:///default.db"
    assert bind(pipeline(), environ=environ).destination == "sqlite:///h.db"
    assert bind(pipeline(), environ={"DATABASE_URL": "sqlite:///d.db"}).destination == "sqlite:///d.db"
    assert bind(pipeline()).destination == "duckdb:///headrace.duckdb"
