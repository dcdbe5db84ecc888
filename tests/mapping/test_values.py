"""What goes in comes out equal, and what cannot is kept with its reason."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.mapping.records import column, mapped, mapper, rows

from headrace.core.contracts import Limits
from headrace.core.errors import ContractBroken, InputError, PipelineFileError
from headrace.mapping.config import ChangeHash, Column, Condition, Prefer, Table
from headrace.mapping.spec import table_specs

NUMBER = st.one_of(
    st.integers(-(10**40), 10**40).map(str),
    st.decimals(allow_nan=False, allow_infinity=False, places=12).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.builds("{}{}e{}".format, st.sampled_from(["", "-"]), st.integers(0, 99), st.integers(-500, 500)),
)


@given(st.lists(NUMBER, min_size=1, max_size=4))
@example(["9007199254740993"])
@example(["123456789012345678901"])
@example(["0.1"])
@example(["1e400"])
@example(["-0"])
@example(["1E2", "9007199254740993"])
@example(["0.1", "0.12345678901234567891"])
@settings(deadline=None)
def test_every_number_comes_back_equal(texts: list[str]) -> None:
    for teacher in (b'[{"n":0.5}]', b'[{"n":1}]', b"[]"):  # what the compiled path expects when the numbers come
        numbers = mapper(Table(table="t", columns={"n": "n"}))
        numbers.map(teacher, page_id=0, fetched_at=0)
        body = "[" + ",".join(f'{{"n":{text}}}' for text in texts) + "]"
        done = numbers.map(body.encode(), page_id=1, fetched_at=0)
        values = done.batches[0].rows.column("n").to_pylist()
        assert [Decimal(str(v)) if not isinstance(v, float) else Decimal(repr(v)) for v in values] == list(
            map(Decimal, texts)
        )


@given(st.lists(st.text(), min_size=1))
@settings(deadline=None)
def test_every_text_comes_back_equal(texts: list[str]) -> None:
    try:
        body = json.dumps([{"s": t} for t in texts], ensure_ascii=False).encode()
    except UnicodeEncodeError:
        body = json.dumps([{"s": t} for t in texts]).encode()
    done = mapper(Table(table="t", columns={"s": "s"})).map(body, page_id=1, fetched_at=0)
    good = [t for t in texts if not any("\ud800" <= c <= "\udfff" for c in t)]
    assert [r["s"] for b in done.batches for r in b.rows.to_pylist()] == good
    assert len(done.rejected) == len(texts) - len(good)


@pytest.mark.parametrize(
    ("sent", "kind", "stored"),
    [
        (["1", "null"], "int", [1, None]),
        (["1", "9007199254740993"], "bigint", [1, 9007199254740993]),
        (
            ["1", "123456789012345678901"],
            "decimal",
            [Decimal("1.000000000"), Decimal("123456789012345678901.000000000")],
        ),
        (["1", "0.5"], "float", [1.0, 0.5]),
        (["9007199254740993", "0.5"], "string", ["9007199254740993", "0.5"]),
        (["true", "null"], "bool", [True, None]),
        (["true", "1E2"], "string", ["true", "1E2"]),
        (['{"b": [1.50,  2]}'], "json", ['{"b": [1.50,  2]}']),
        (['{"b": 1}', '"x"'], "string", ['{"b": 1}', "x"]),
        (["null"], "untyped", [None]),
        (['"2024-05-01"'], "string", ["2024-05-01"]),
        (['"\\ud83d\\ude00\\n"'], "string", ["😀\n"]),
    ],
)
def test_types_are_inferred(sent: list[str], kind: str, stored: list[Any]) -> None:
    assert column("v", "v", *(f'{{"v":{s}}}' for s in sent)) == (kind, stored)


NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("declared", "sent", "kind", "stored"),
    [
        ("int", '"5"', "int", 5),
        ("int", "5.0", "int", 5),
        ("int", "5.5", "float", 5.5),
        ("int", "9007199254740993", "bigint", 9007199254740993),
        ("float", '"3.99"', "float", 3.99),
        ("decimal", '"3.99"', "decimal", Decimal("3.990000000")),
        ("decimal", "0.1", "decimal", Decimal("0.100000000")),
        ("float", "9007199254740993", "string", "9007199254740993"),
        ("bool", '"true"', "bool", True),
        ("string", "1.50", "string", "1.50"),
        ("json", '"a\\u0062"', "json", '"a\\u0062"'),
        ("timestamp", '"2024-05-01T14:00:00+02:00"', "timestamp", NOON),
        ("timestamp", '"2024-05-01T12:00:00"', "timestamp", NOON),
        ("timestamp", '"2024-05-01T12:00:00Z"', "timestamp", NOON),
        ("timestamp", '"2024-05-01"', "timestamp", NOON.replace(hour=0)),
        ("date", '"2024-05-01"', "date", NOON.date()),
    ],
)
def test_declared_types(declared: Any, sent: str, kind: str, stored: Any) -> None:
    record = f'{{"v":{sent}}}'
    assert column("v", Column(path="v", type=declared), record, record) == (kind, [stored, stored])


@pytest.mark.parametrize(
    ("declared", "sent"),
    [
        ("int", '"five"'),
        ("float", "{}"),
        ("bool", '"maybe"'),
        ("timestamp", '"soon"'),
        ("timestamp", "5"),
        ("date", '"2024-13-01"'),
    ],
)
def test_what_a_declared_type_cannot_hold_is_rejected(declared: Any, sent: str) -> None:
    table = Table(table="t", columns={"v": Column(path="v", type=declared)})
    done = mapped(table, '{"v":null}', f'{{"v":{sent}}}')
    (rejected,) = done.rejected
    assert (rejected.record, rejected.column, rejected.raw) == (1, "v", f'{{"v":{sent}}}'.encode())
    assert "'v'" in rejected.reason
    assert "allowed" in rejected.reason
    assert rows(done.batches[0]) == [{"v": None}]


@pytest.mark.parametrize(
    ("apply", "sent", "stored"),
    [
        (["iso_duration_minutes"], '"PT0H21M0S"', 21),
        (["iso_duration_minutes"], '"PT0H0M0S"', None),
        (["iso_duration_minutes"], '"PT0H21M30S"', 22),
        (["iso_duration_minutes"], '"PT1H0M29S"', 60),
        (["epoch_seconds"], "1714564800", NOON),
        (["epoch_millis"], '"1714564800000"', NOON),
        (["unescape_html", "upper"], '"a&#039;b&amp;"', "A'B&"),
        (["unescape_html", "join"], '["a&amp;b", 1.50, null]', "a&b,1.50"),
        (["md5"], '"é"', hashlib.md5("é".encode()).hexdigest()),
        (["sha256"], "1.50", hashlib.sha256(b"1.50").hexdigest()),
        (["first"], '["a","b"]', "a"),
        (["last"], "[]", None),
        (["length"], "[1,2]", 2),
        (["empty_to_null"], '" "', None),
        (["to_json"], '"a"', '"a"'),
    ],
)
def test_functions(apply: list[Any], sent: str, stored: Any) -> None:
    record = f'{{"v":{sent}}}'
    assert column("v", Column(path="v", apply=apply), record, record)[1] == [stored, stored]


def test_defaults_and_first_of_paths() -> None:
    spec = Column(path=["a", "b"], default=7)
    assert column("v", spec, '{"a":null,"b":2}', '{"a":1,"b":2}', "{}")[1] == [2, 1, 7]


OFFERS = Table(
    table="o",
    each="so.*.*",
    key=["id", "country", "service"],
    columns={
        "id": "^.id",
        "country": Column(key=1, apply=["upper"]),
        "n": Column(key=2),
        "service": "s.id",
        "q": "q",
        "p": "p",
    },
    prefer=[Prefer(column="q", order=["uhd", "hd"]), Prefer(column="p", order="desc")],
)


def test_rows_for_each_element() -> None:
    done = mapped(
        OFFERS,
        '{"id":"1","so":{"us":[{"s":{"id":"n"},"q":"sd","p":9},{"s":{"id":"n"},"q":"hd","p":1},{"s":{"id":"n"},"q":"hd","p":2}],"de":null}}',
        '{"id":"2"}',
        '{"id":"3","so":null}',
        '{"id":"4","so":5}',
        '{"id":"5","so":{"fr":[{"s":{"id":"x"}},{"q":"hd"},{"q":"sd"}]}}',
    )
    assert rows(done.batches[0]) == [
        {"id": "1", "country": "US", "n": 2, "service": "n", "q": "hd", "p": 2},
        {"id": "5", "country": "FR", "n": 0, "service": "x", "q": None, "p": None},
    ]
    assert [(r.record, r.reason) for r in done.rejected] == [
        (3, "each: so.*.* expects a list or an object where the record has 5"),
        (4, "the key is null: service (and 1 more of its rows)"),
    ]


def test_the_last_row_of_a_key_wins_and_for_append_the_first() -> None:
    table = Table(table="t", key=["id"], columns={"id": "id", "v": "v"})
    records = ['{"id":1,"v":1}', '{"id":2,"v":2}', '{"id":1,"v":3}']
    assert rows(mapped(table, *records).batches[0]) == [{"id": 2, "v": 2}, {"id": 1, "v": 3}]
    kept = mapped(table.model_copy(update={"write": "append"}), *records).batches[0]
    assert rows(kept) == [{"id": 1, "v": 1}, {"id": 2, "v": 2}]
    assert kept.rows.column("_record").to_pylist() == [0, 1]


@pytest.mark.parametrize(
    ("where", "kept"),
    [
        ({"t": "rent"}, [0]),
        ({"t": ["rent", "buy"]}, [0, 1]),
        ({"p.amount": Condition(gt=0)}, [0]),
        ({"link": "present"}, [1]),
        ({"link": "absent", "t": Condition(ne="buy")}, [0, 2]),
        ({"t": None}, [2]),
    ],
)
def test_where(where: Any, kept: list[int]) -> None:
    table = Table(table="t", columns={"t": "t"}, where=where)
    records = ['{"t":"rent","p":{"amount":"3.99"}}', '{"t":"buy","link":"x","p":{"amount":"0.00"}}', "{}"]
    assert mapped(table, *records).batches[0].rows.column("_record").to_pylist() == kept


def test_the_hash_is_pythons_own() -> None:
    table = Table(
        table="t", key=["id"], change_hash=ChangeHash(column="content_hash", without=["seen"]),
        columns={"id": "id", "title": "title", "cast": "cast", "score": "score", "seen": Column(value="{run_id}")},
    )  # fmt: skip
    row = {"id": 5, "title": "é", "cast": [{"b": 1, "a": None}], "score": 7.0}
    wanted = hashlib.md5(json.dumps(row, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
    pages = mapper(table)
    for _ in range(2):
        batch = pages.map(json.dumps([row]).encode(), page_id=1, fetched_at=0).batches[0].rows
        assert batch.column("_hash").to_pylist() == batch.column("content_hash").to_pylist() == [wanted]


def test_poison_is_kept_apart() -> None:
    limits = Limits(nul=False, max_value=20, year_min=1000)
    table = Table(table="t", columns={"v": "v", "w": Column(path="w", type="timestamp")})
    deep = "[" * 5000 + "]" * 5000
    poison = [
        '{"v":"\\ud800"}', '{"v":"a\\u0000"}', '{"v":{"k":"\\u0000"}}', '{"v":"' + "x" * 21 + '"}',
        '{"w":"0999-01-01"}', f'{{"v":{deep}}}', "5", "null",
    ]  # fmt: skip
    done = mapped(table, '{"v":"\\\\u0000"}', *poison, '{"v":"ok"}', limits=limits)
    assert rows(done.batches[0]) == [{"v": "\\u0000", "w": None}, {"v": "ok", "w": None}]
    assert [r.record for r in done.rejected] == list(range(1, len(poison) + 1))
    assert [r.raw.decode() for r in done.rejected] == poison
    assert done.count == len(poison) + 2


def test_contracts() -> None:
    free = Table(table="t", columns={"v": "v"}, contract="freeze")
    frozen = mapper(free)
    frozen.map(b'[{"v":1}]', page_id=1, fetched_at=0)
    with pytest.raises(ContractBroken, match=r"'v' would widen from int to float") as caught:
        frozen.map(b'[{"v":1.5}]', page_id=2, fetched_at=0)
    assert "record 0" in str(caught.value)
    strict = mapper(free.model_copy(update={"contract": "quarantine"}), known={"t": {"v": "int"}})
    done = strict.map(b'[{"v":1},{"v":"x"},{"v":2}]', page_id=1, fetched_at=0)
    assert rows(done.batches[0]) == [{"v": 1}, {"v": 2}]
    assert [r.record for r in done.rejected] == [1]
    assert done.changes == ()


def test_changes_name_the_page() -> None:
    pages = mapper(Table(table="t", columns={"v": "v", "d": Column(path="d", type="int")}), known={"t": {"v": "int"}})
    assert pages.map(b'[{"v":1,"d":1}]', page_id=1, fetched_at=0).changes == ()
    (change,) = pages.map(b'[{"v":1.5,"d":1}]', page_id=2, fetched_at=0).changes
    assert (change.table, change.column, change.before, change.after, change.page_id) == ("t", "v", "int", "float", 2)
    (change,) = pages.map(b'[{"v":1.5,"d":1.5}]', page_id=3, fetched_at=0).changes
    assert (change.column, change.before, change.after) == ("d", "int", "float")


@pytest.mark.parametrize(
    ("first", "later", "kind"),
    [
        ("1", "9007199254740993", "bigint"),
        ("1", "9223372036854775808", "decimal"),
        ("0.5", "9007199254740993", "string"),
        ("0.5", "1e400", "string"),
        ("{}", "5", "string"),
        ("true", "1", "string"),
    ],
)
def test_a_later_page_widens(first: str, later: str, kind: str) -> None:
    pages = mapper(Table(table="t", columns={"v": "v"}))
    before = pages.map(f'[{{"v":{first}}}]'.encode(), page_id=1, fetched_at=0).batches[0].types["v"]
    done = pages.map(f'[{{"v":{first}}},{{"v":{later}}}]'.encode(), page_id=2, fetched_at=0)
    assert [(c.before, c.after, c.page_id) for c in done.changes] == [(before, kind, 2)]
    assert done.batches[0].types["v"] == kind


def test_wrong_tables_are_refused_with_every_reason() -> None:
    table = Table(table="T", each="a.*", columns={"Id": "^2.x", "id": Column(key=2)})
    with pytest.raises(PipelineFileError) as caught:
        table_specs([table, Table(table="t", columns={"a": "a"})], str.lower)
    assert len(caught.value.problems) == 4
    with pytest.raises(InputError, match="'v'"):
        mapped(Table(table="t", columns={"v": Column(value="x", type="int")}), "{}")


def test_a_large_page() -> None:
    body = b"[" + b",".join(b'{"id":%d,"v":%d.5}' % (i, i) for i in range(100_000)) + b"]"
    done = mapper(Table(table="t", key=["id"], columns={"id": "id", "v": "v"})).map(body, page_id=1, fetched_at=0)
    assert done.count == done.batches[0].rows.num_rows == 100_000
