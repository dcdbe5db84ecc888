"""Any JSON through the mapping into every destination: the same values come out, under a name that its field keeps."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from headrace.core.contracts import Session
from headrace.core.tables import StreamKey, page_id
from headrace.destinations import from_url
from headrace.mapping.config import Table
from headrace.mapping.mapper import Mapper
from headrace.testing.destination.build import START, Page, Writer

HOSTILE = [
    "", " ", "id", "Id", "ID", "a", "A", "a.b", 'q"uote', "it's", "semi;colon", "--", "/*", "select", "table", "order",
    "_page", "_record", "run_id", "_run_id", "key_hash", "é", "É", "ß", "ss", "名前", "😀", "a\nb", "a\tb", "%s", "?", "$1",
    "{x}", "x" * 70, "x" * 71, "[0]", "\\", "rowid", "ctid", "xmin", "oid", "user", "null", "\u202e", "a\u0301",
]  # fmt: skip
KEYS = st.one_of(st.sampled_from(HOSTILE), st.text(st.characters(exclude_categories=["Cs"]), max_size=8))
NUMBERS = st.one_of(
    st.integers(-(10**30), 10**30).map(str),
    st.sampled_from(
        ["9007199254740993", "18446744073709551616", "0.1", "-0.0", "1e400", "1E-7", "123456789012345.678901"]
    ),
    st.decimals(allow_nan=False, allow_infinity=False, places=9).map(lambda d: format(d, "f")),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
SCALARS = st.one_of(st.sampled_from(["null", "true", "false"]), NUMBERS, TEXTS.map(json.dumps))


def _listed(items: list[str]) -> str:
    return f"[{','.join(items)}]"


def _keyed(members: dict[str, str]) -> str:
    return "{" + ",".join(f"{json.dumps(key)}:{value}" for key, value in members.items()) + "}"


def _wrapped(value: str, depth: int) -> str:
    return '{"d":[' * depth + value + "]}" * depth


NESTED = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(_listed), st.dictionaries(KEYS, inner, max_size=3).map(_keyed)
    ),
    max_leaves=5,
)
VALUES = st.one_of(SCALARS, NESTED, st.builds(_wrapped, SCALARS, st.integers(1, 60)))
RECORDS = st.dictionaries(KEYS, VALUES, min_size=1, max_size=5).map(_keyed)
PAGES = st.lists(st.lists(RECORDS, min_size=1, max_size=4), min_size=1, max_size=3)


def _exact(text: str) -> Any:
    return json.loads(text, parse_float=Decimal, parse_int=Decimal)


def _same(sent: Any, stored: Any, *, halfway: bool = False) -> bool:
    """``halfway``: where a column of doubles became one of texts, PostgreSQL writes a double whose shortest text lies
    exactly between two of them with a digit more: another decimal, the same double."""
    if sent is None or isinstance(sent, bool):
        return stored is sent or stored == json.dumps(sent) or (isinstance(stored, int) and stored == sent)
    if isinstance(sent, Decimal):
        return (
            not isinstance(stored, bool) and Decimal(repr(stored) if isinstance(stored, float) else str(stored)) == sent
        )
    if isinstance(sent, str):
        return bool(stored == sent) or (isinstance(stored, str) and stored == json.dumps(sent, ensure_ascii=False))
    return isinstance(stored, str) and bool(_exact(stored) == sent)


@pytest.fixture(params=["duckdb", "sqlite", "postgresql"])
def session(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Session]:
    kind = request.param
    url = request.getfixturevalue("postgres_url") if kind == "postgresql" else f"{kind}:///{tmp_path}/made.db"
    with from_url(url).open() as opened:
        opened.kind = kind  # type: ignore[attr-defined]  # what the mapping is told of the destination
        opened.can = from_url(url).capabilities()  # type: ignore[attr-defined]
        yield opened


def test_the_same_values_come_out(session: Session) -> None:
    can, made = session.can, 0  # type: ignore[attr-defined]

    @settings(
        max_examples=60 if session.kind == "sqlite" else 15,  # type: ignore[attr-defined]
        deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(PAGES)
    @example([[_keyed({name: str(number) for number, name in enumerate(HOSTILE)})]])
    @example([['{"n":1}'], ['{"n":9007199254740993}'], ['{"n":0.1}'], ['{"n":"x"}'], ['{"n":{"n":[1.10]}}']])
    @example([[_wrapped('{"x":18446744073709551616}', 200)]])
    def round_trip(pages: list[list[str]]) -> None:
        nonlocal made
        made += 1
        table = f"t{made}"
        mapper = Mapper([Table(table=table)], known={}, limits=can.limits, lookup=str, fold=can.fold)
        run = f"run-{made}"
        writer = Writer(session, run).prepare(*mapper.specs)
        sent: dict[tuple[int, int], dict[str, Any]] = {}
        for number, records in enumerate(pages, 1):
            key, at = StreamKey(run, "extract"), START + made * 1_000_000_000 + number
            identity = page_id(at, key, number)
            done = mapper.map(_listed(records).encode(), page_id=identity, fetched_at=at)
            assert done.rejected == ()
            writer.commit(Page(key, number, at, done.batches, changes=done.changes))
            sent |= {(identity, place): _exact(record) for place, record in enumerate(records)}
        names = mapper._states[0].names.columns
        stored = [row for batch in session.query(f'SELECT * FROM "{table}"') for row in batch.to_pylist()]
        assert len(stored) == len(sent)
        for row in stored:
            record = sent.pop((row["_page"], row["_record"]))
            for name, value in record.items():
                same = _same(value, row[names[name]], halfway=session.kind == "postgresql")  # type: ignore[attr-defined]
                assert same, (name, value, row[names[name]])
            others = set(names.values()) - {names[name] for name in record}
            assert all(row[column] is None for column in others)

    round_trip()
