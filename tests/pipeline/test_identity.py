"""What makes two runs the same pipeline and the same scope: the resolved file, its hashes, the scope."""

from __future__ import annotations

from typing import Any

import pytest
from tests.pipeline.files import ENVIRONMENTS, INPUTS, bind, pipeline

from headrace.core.errors import PipelineFileError
from headrace.pipeline.load import from_resolved


class TestResolved:
    HEAD = (
        "destination: 'postgresql://me:{env.PW}@host/db'\n"
        "source: {headers: {Authorization: Bearer sesame, Accept: text/plain, X-Key: '{env.KEY}'}, params: {api_key: sesame}}"
    )

    def test_shows_no_secret_and_is_whole(self) -> None:
        loaded = bind(pipeline(self.HEAD), environ={"PW": "hunter2", "KEY": "sesame"})
        assert loaded.destination == "postgresql://me:hunter2@host/db"
        resolved = loaded.resolved()
        assert "sesame" not in str(resolved)
        assert "hunter2" not in str(resolved)
        assert "hunter2" not in repr(loaded)
        assert resolved["steps"][0]["config"]["headers"] == {
            "Authorization": "***", "Accept": "text/plain", "X-Key": "{env.KEY}",
        }  # fmt: skip
        assert resolved["destination"] == "postgresql://me:***@host/db"

    def test_is_read_again(self) -> None:
        loaded = bind(pipeline(INPUTS, "transform: {flatten: true}"))
        again = from_resolved(loaded.resolved())
        assert again.steps == loaded.pipeline.steps
        assert again.inputs == loaded.pipeline.inputs

    def test_of_another_version(self) -> None:
        with pytest.raises(PipelineFileError, match="cannot be read by this version"):
            from_resolved({"pipeline_id": "p", "steps": []})


class TestHashes:
    @pytest.mark.parametrize(
        ("config", "request_changes", "mapping_changes"),
        [
            ("params: {a: 1}", True, False),
            ("headers: {Accept: text/csv}", True, False),
            ("pagination: {type: page}", True, False),
            ("data_path: items", True, False),
            ("body: {json: {a: 1}}", True, False),
            ("slices: {each: {a: [1, 2]}}", True, False),
            ("transform: {flatten: true}", False, True),
            ("timeout: 5", False, False),
            ("rate_limit: {requests_per_second: 1}", False, False),
            ("auth: {type: bearer, provider: A}", False, False),
            ("commit_every: 5", False, False),
            ("timeout: 60", False, False),
            ("data_path: data", False, False),
            ("transform: {flatten: false}", False, False),
        ],
    )
    def test_what_changes_them(self, config: str, request_changes: bool, mapping_changes: bool) -> None:
        before, after = bind(pipeline()), bind(pipeline(config=config))
        assert (before.request_hash != after.request_hash) is request_changes
        assert (before.mapping_hash != after.mapping_hash) is mapping_changes

    def test_kinds_that_differ_in_nothing_but_their_type(self) -> None:
        hashes = {bind(pipeline(config=f"pagination: {{type: {t}}}")).request_hash for t in ("page", "offset", "none")}
        assert len(hashes) == 3

    def test_how_many_slices_run_at_once_does_not_count(self) -> None:
        one, two = (bind(pipeline(config=f"slices: {{each: {{a: [1]}}, concurrency: {n}}}")) for n in (1, 2))
        assert one.request_hash == two.request_hash

    def test_a_value_of_the_environment_counts_where_it_is_used(self) -> None:
        assert bind(ENVIRONMENTS, env="dev").request_hash != bind(ENVIRONMENTS, env="prod").request_hash

    def test_neither_the_order_of_keys_nor_params_count(self) -> None:
        a = bind(pipeline(INPUTS, "params: {a: 1, b: 2}"), params={"country": "de"})
        b = bind(pipeline(INPUTS, "params: {b: 2, a: 1}"))
        assert a.request_hash == b.request_hash


class TestScope:
    def scope(self, **given: Any) -> str:
        return bind(pipeline(INPUTS), **given).scope

    def test_the_order_of_a_bundle_does_not_matter(self) -> None:
        assert self.scope(params={"catalogs": "a,b"}) == self.scope(params={"catalogs": ["b", "a"]})

    def test_everything_else_does(self) -> None:
        scopes = [
            self.scope(), self.scope(params={"country": "de"}), self.scope(params={"country": "DE"}),
            self.scope(params={"filters.a": "1"}), self.scope(params={"catalogs": "prime"}), self.scope(org="acme"),
            bind(pipeline(INPUTS).replace("pipeline_id: p", "pipeline_id: q")).scope,
        ]  # fmt: skip
        assert len(set(scopes)) == len(scopes)

    def test_a_default_that_is_spelled_out_changes_nothing(self) -> None:
        assert self.scope() == self.scope(params={"country": "us", "catalogs": "prime,netflix"})

    def test_it_can_be_given(self) -> None:
        assert self.scope(scope="mine") == "mine"
