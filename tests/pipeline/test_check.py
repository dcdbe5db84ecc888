"""What ``check`` says beyond loading."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace import pipelines
from headrace.core.contracts import Capabilities, Limits
from headrace.pipeline.check import check, is_warning
from headrace.pipeline.template import template

LOWER = Capabilities(fold=str.lower, limits=Limits(max_name=63, max_columns=3))

HEAD = "pipeline_id: p\nsteps:\n"
STEP = """  - step: {name}
    processor: generic.api_extractor
    config:
      url: https://api.test/items
"""


@pytest.fixture
def lines(tmp_path: Path):  # type: ignore[no-untyped-def] # a function that is used in this file only
    def run(config: str, capabilities: Capabilities | None = LOWER) -> list[str]:
        file = tmp_path / "f.yml"
        body = "".join(f"      {line}\n" for line in config.splitlines())
        file.write_text(config if config.startswith("pipeline_id") else HEAD + STEP.format(name="extract") + body)
        return [line.removeprefix(f"{file}:") for line in check(file, capabilities)]

    return run


def test_a_clean_file(lines) -> None:  # type: ignore[no-untyped-def] # see above
    assert lines("destination: {table: items}") == []


def test_problems_of_the_file_itself(lines) -> None:  # type: ignore[no-untyped-def] # see above
    assert lines("destination: {tabel: items}") == [
        "7:7: steps.extract.destination.table: missing",
        "7:21: steps.extract.destination.tabel: unknown key, did you mean 'table'?",
    ]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (
            "tables:\n  - {table: Items}\n  - table: t\n    columns: {A: a, a: b}",
            ["9:11: steps.extract.tables.1: table 't': columns 'A' and 'a' are one column in this destination"],
        ),
        (
            "tables: [{table: items}, {table: items_seen}]",
            [
                "7:24: steps.extract.tables.0.table: the table 'items_seen' has the name that Headrace needs beside 'items'"
            ],
        ),
        (
            "raw: {table: Items}\ndestination: {table: items}",
            ["7:20: steps.extract.raw.table: the raw table 'Items' would meet the table 'items'"],
        ),
        (
            "destination: {table: headrace_runs}",
            [
                "7:28: steps.extract.destination.table: names that begin with headrace_ are the engine's own: choose "
                "another"
            ],
        ),
        (
            "destination: {table: " + "x" * 60 + "}",
            [
                f"7:28: steps.extract.destination.table: the name '{'x' * 60}' is too long: this destination takes "
                "63 bytes with room for _rejected"
            ],
        ),
        (
            "tables: [{table: t, columns: {a: a, b: b, c: c, d: d}}]",
            ["7:24: steps.extract.tables.0.table: 4 columns: this destination takes 3"],
        ),
    ],
)
def test_what_the_destination_refuses(lines, config: str, expected: list[str]) -> None:  # type: ignore[no-untyped-def] # see above
    found = lines(config)
    assert found == expected
    assert not any(is_warning("f:" + line) for line in found)


def test_a_disposition_that_the_destination_lacks(lines) -> None:  # type: ignore[no-untyped-def] # see above
    config = "tables: [{table: t, key: [a], write: scd2, columns: {a: a}}]"
    assert lines(config, Capabilities(dispositions=frozenset({"append", "merge"}))) == [
        "7:24: steps.extract.tables.0.table: this destination cannot write: scd2 (it can: append, merge)"
    ]
    assert lines(config, Capabilities()) == []


def test_two_steps_whose_tables_meet(lines) -> None:  # type: ignore[no-untyped-def] # see above
    config = HEAD + "".join(
        STEP.format(name=name) + f"      destination: {{table: {table}}}\n"
        for name, table in (("a", "Items"), ("b", "items"))
    )
    expected = ["12:28: steps.b.destination.table: 'Items' and 'items' are one table in this destination"]
    assert lines(config) == expected
    assert lines(config, Capabilities()) == expected, "what keeps the case of a name still takes both for one"
    assert lines(config.replace("Items", "items")) == []


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (
            "raw: false",
            "8:12: warning: steps.extract.raw: without the archive",
        ),
        ("headers: {Authorization: Bearer x}", "8:32: warning: steps.extract.headers.Authorization: a credential in"),
        ("params: {apiKey: x}", "8:24: warning: steps.extract.params.apiKey: a credential in the file"),
        ('error_path: "{run_id}"', "8:19: warning: steps.extract.error_path: {run_id} stays as it is"),
    ],
)
def test_warnings(lines, config: str, expected: str) -> None:  # type: ignore[no-untyped-def] # see above
    (found,) = lines("destination: {table: t}\n" + config)
    assert is_warning("f:" + found)
    assert found.startswith(expected)


@pytest.mark.parametrize(
    "config",
    [
        'headers: {Authorization: "Bearer {env.TOKEN}"}',
        "params: {author: tolkien, keyword: x}",
        'graphql: {query: "{ run_id }"}\nmethod: POST',
    ],
)
def test_no_warning(lines, config: str) -> None:  # type: ignore[no-untyped-def] # see above
    assert lines("destination: {table: t}\n" + config) == []


def test_the_template_and_the_built_in_pipelines(tmp_path: Path) -> None:
    file = tmp_path / "new.yml"
    file.write_text(template())
    assert check(file, Capabilities(fold=str.lower, limits=Limits(max_name=63))) == []
    for name in pipelines.names():
        assert [
            line for line in check(name, Capabilities(fold=str.lower, sql="postgresql")) if not is_warning(line)
        ] == []


def test_a_column_that_every_table_of_the_destination_has_already(lines) -> None:  # type: ignore[no-untyped-def] # see above
    config = "tables: [{table: t, columns: {XMin: a}}]"
    assert lines(config, Capabilities(fold=str.lower, limits=Limits(own_columns=frozenset({"xmin"})))) == [
        "7:24: steps.extract.tables.0.table: every table of this destination has a column 'XMin' of its own: choose "
        "another name"
    ]
    assert lines(config, Capabilities()) == []


@pytest.mark.parametrize("written", ["Bearer $API_TOKEN", "${key}", "{{ key }}", "${{ secrets.KEY }}"])
def test_variables_of_other_languages_are_warned_of(lines, written: str) -> None:  # type: ignore[no-untyped-def] # see above
    found = lines(f"destination: {{table: t}}\nheaders: {{X-Note: '{written}'}}")
    shown = written.removeprefix("Bearer ")
    assert found == [
        f"8:25: warning: steps.extract.headers.X-Note: {shown} is of another language: write {{env.NAME}} for an "
        "environment variable, {name} else"
    ]
    assert lines("destination: {table: t}\ngraphql: {query: 'query($FIRST: Int) {a}'}") == []
