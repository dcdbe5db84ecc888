"""The compiled path gives what the reference gives, for random documents and configurations."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.core.contracts import Limits
from headrace.core.errors import AnswerError
from headrace.core.tables import Rejected
from headrace.mapping.config import ChangeHash, Column, Condition, Contract, Prefer, Table, TableTarget, Transform
from headrace.mapping.mapper import Mapped, Mapper, PageText
from headrace.mapping.spec import legacy_table
from headrace.mapping.walk import texts as each_of
from headrace.testing.titles import page as titles_page

FIELDS = ["id", "a", "b", "c", "Id", "when", "é", "", "org_slug", "x.y"]

numbers = st.one_of(
    st.integers(-3, 3).map(str),
    st.integers(-(2**70), 2**70).map(str),
    st.sampled_from(
        ["0.1", "-0", "-0.0", "1.0", "1E2", "1e400", "1e-400", "9007199254740993", "9007199254740992.0", "2.50",
         "0.1234567890123456789", "123456789012345678901", "12345678901234567890.5", "1700000000", "9223372036854775808"]
    ),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
)  # fmt: skip
texts = st.one_of(
    st.text(max_size=6).map(json.dumps),
    st.text(max_size=6).map(lambda s: json.dumps(s, ensure_ascii=False).encode("utf-8", "replace").decode()),
    st.sampled_from(
        ['"2024-05-01T12:00:00Z"', '"2024-05-01T12:00:00+02:00"', '"2024-05-01T12:00:00"', '"2024-05-01"', '"5"',
         '"3.99"', '"true"', '""', '"a&amp;b"', '"PT1H30M"', '"0001-01-01"', '"\\ud800"', '"\\u0000"', '"\\\\u0000"',
         '"\\ud83d\\ude00"', '"\\\\ud800"', '"us"', '"hd"', '"007"', '"1e3"']
    ),
)  # fmt: skip
scalars = st.one_of(st.sampled_from(["null", "true", "false"]), numbers, texts)
space = st.sampled_from(["", " ", "\n"])


def objects(inside: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    members = st.lists(st.tuples(st.sampled_from(FIELDS), inside, space), max_size=6)
    return members.map(
        lambda ms: "{" + ",".join(f"{s}{json.dumps(k, ensure_ascii=False)}{s}:{s}{v}" for k, v, s in ms) + "}"
    )


def lists(inside: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(inside, max_size=3).map(lambda items: "[" + ",".join(items) + "]")


values = st.recursive(scalars, lambda inside: st.one_of(objects(inside), lists(inside)), max_leaves=6)
records = st.one_of(
    objects(values), objects(values), objects(objects(values)), objects(lists(objects(scalars))), values
)
pages = st.lists(
    st.lists(records, max_size=8).map(lambda rs: ("[" + ",".join(rs) + "]").encode()), min_size=1, max_size=4
)

paths = st.sampled_from(
    ["id", "a", "b", "c", "a.b", "a.a", "b.c", "when", "é", "a.0", "b.*", "a.*.id", "b.-1.a", "^.id"]
)
columns = st.one_of(
    paths,
    st.builds(
        lambda path, kind, apply, default: Column(path=path, type=kind, apply=apply, default=default),
        st.one_of(paths, st.lists(paths, min_size=1, max_size=3)),
        st.sampled_from([None, "string", "int", "float", "decimal", "bool", "json", "timestamp", "date"]),
        st.lists(
            st.sampled_from(
                ["upper", "trim", "unescape_html", "empty_to_null", "epoch_seconds", "epoch_millis", "md5", "to_json",
                 "first", "last", "length", "join", "iso_duration_minutes"]
            ),
            max_size=2,
        ),
        st.sampled_from([None, None, 5, "x", "2024-01-01"]),
    ),
    st.sampled_from([Column(value="{run_id}"), Column(value="{fetched_at}"), Column(value={"k": [1]})]),
)  # fmt: skip
conditions = st.one_of(
    st.sampled_from(["present", "absent", True, 1, "us", ["us", "hd", 5]]),
    st.sampled_from([Condition(gt=0), Condition(ne="us"), Condition(ge="a", lt="zz"), Condition(eq=5)]),
)


modes = st.sampled_from(["evolve", "freeze", "quarantine"])
contracts = st.one_of(
    st.just("evolve"), st.just("evolve"), modes, st.builds(Contract, tables=modes, columns=modes, types=modes)
)


@st.composite
def tables(draw: st.DrawFn, name: str) -> Table:
    each = draw(st.sampled_from([None, None, None, "a.*", "b.*.*", "*", "a.b.*", "b.*.a", "a.0.*"]))
    stars = (each or "").count("*")
    named: dict[str, Any] | None = draw(st.dictionaries(st.sampled_from(["k", "l", "m", "n"]), columns, min_size=1))
    if stars and named is not None and draw(st.booleans()):
        named["star"] = Column(key=1, apply=draw(st.sampled_from([[], ["upper"]])))
        named["up"] = draw(st.sampled_from(["^1", "^1.id", "^.a", "^"]))
    if draw(st.sampled_from([False, False, True])):
        named = None
    key = draw(st.sampled_from([[], ["k"]])) if named and "k" in named else []
    return Table(
        table=name,
        each=each,
        key=key,
        columns=named,
        where=draw(st.dictionaries(paths, conditions, max_size=1)),
        prefer=[Prefer(column="k")] if key else [],
        write="append" if key and draw(st.booleans()) else None,
        change_hash=draw(st.sampled_from([False, True, ChangeHash(column="hashed", without=["l"])])),
        contract=draw(contracts),
    )


legacy = st.builds(
    lambda flatten, keys, extra: legacy_table(
        TableTarget(table="legacy", key_fields=keys), Transform(flatten=flatten, add_fields=extra)
    ),
    st.booleans(),
    st.sampled_from([[], ["id"], ["a.id"], ["org_slug"]]),
    st.sampled_from([{}, {"x": 1}]),
)
limits = st.sampled_from(
    [Limits(), Limits(nul=False, max_value=12, year_min=1000), Limits(max_columns=17, max_name=12)]
)


def outcome(mapper: Mapper, pages: list[bytes]) -> list[Any]:
    found: list[Any] = []
    for number, text in enumerate(pages):
        try:
            found.append(mapper.map(text, page_id=number, fetched_at=1_700_000_000_000_000 + number))
        except AnswerError:
            found.append("refused")
            break
    return found


def described(mapped: Mapped | str) -> Any:
    if isinstance(mapped, str):
        return mapped
    batches = [(b.table, dict(b.types), b.rows.schema, b.rows.to_pydict()) for b in mapped.batches]
    changes = sorted((c.table, c.column, str(c.before), c.after) for c in mapped.changes)
    return batches, mapped.rejected, changes, mapped.count


def both(config: list[Table], pages: list[bytes], limits: Limits, fold: Any = str) -> None:
    fast, reference = (
        Mapper(config, known={}, limits=limits, lookup=lambda name: f"<{name}>", fold=fold) for _ in range(2)
    )
    reference._compiled.read = lambda *_: None  # type: ignore[method-assign]  # the reference alone
    expected = outcome(reference, pages)
    for a, b in zip(outcome(fast, pages), expected, strict=True):
        assert described(a) == described(b)
    if "refused" not in expected:
        in_pairs(config, pages * 2, limits, fold)


def in_pairs(config: list[Table], pages: list[bytes], limits: Limits, fold: Any) -> None:
    """Pages that are mapped two by two become what they become alone."""
    alone, together = (
        Mapper(config, known={}, limits=limits, lookup=lambda name: f"<{name}>", fold=fold) for _ in range(2)
    )
    texts = [
        PageText(page, len(each_of(page)), number, 1_700_000_000_000_000 + number) for number, page in enumerate(pages)
    ]
    for at in range(0, len(texts), 2):
        pair = texts[at : at + 2]
        try:
            apart = [alone.map(p.records, page_id=p.page_id, fetched_at=p.fetched_at) for p in pair]
        except AnswerError:
            return
        mapped = together.map_together(pair)
        if mapped is None:
            for p in pair:
                together.map(p.records, page_id=p.page_id, fetched_at=p.fetched_at)
            continue
        assert not any(one.changes for one in apart)
        assert mapped.changes == ()
        assert mapped.count == sum(one.count for one in apart)
        assert rows_of([mapped]) == rows_of(apart)
        assert by_table(mapped.rejected) == by_table(r for one in apart for r in one.rejected)


def rows_of(found: Iterable[Mapped]) -> dict[str, Any]:
    rows: dict[str, Any] = {}
    for batch in (batch for mapped in found for batch in mapped.batches):
        types, before = rows.setdefault(batch.table, (dict(batch.types), []))
        assert types == dict(batch.types)
        before += batch.rows.to_pylist()
    return rows


def by_table(rejected: Iterable[Rejected]) -> dict[str, list[Rejected]]:
    found: dict[str, list[Rejected]] = {}
    for one in rejected:
        found.setdefault(one.table, []).append(one)
    return found


relaxed = settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))


@relaxed
@given(st.lists(tables("one"), min_size=1, max_size=1), pages, limits)
def test_one_table(config: list[Table], pages: list[bytes], limits: Limits) -> None:
    both(config, pages, limits)


@relaxed
@given(tables("one"), tables("two"), pages, limits)
def test_tables_that_share_a_page(one: Table, two: Table, pages: list[bytes], limits: Limits) -> None:
    both([one, two], pages, limits)


@relaxed
@given(legacy, pages, limits, st.sampled_from([str, str.lower]))
def test_row_forms(config: Table, pages: list[bytes], limits: Limits, fold: Any) -> None:
    both([config], pages, limits, fold)


def test_the_catalogue() -> None:
    config = [
        Table(
            table="t", key=["id"], columns={"id": "id", "score": "score", "genres": "genres", "all": "streamingOptions"}
        ),
        Table(table="o", each="streamingOptions.*.*", columns={"c": Column(key=1), "s": "service.id", "p": "price"}),
    ]
    both(config, [titles_page(30), titles_page(30, first=30)], Limits())
