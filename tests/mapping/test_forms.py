"""The flattened form and the raw form of a table, and the columns that they get."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from tests.mapping.records import mapped, mapper, rows

from headrace.core.contracts import Limits
from headrace.mapping.config import Table, TableTarget, Transform
from headrace.mapping.spec import legacy_table, table_specs


def flat(*keys: str, **more: Any) -> Table:
    return legacy_table(TableTarget(table="t", key_fields=list(keys)), Transform(flatten=True, **more))


def test_flattened_names() -> None:
    record = '{"Id":1,"id":2,"org_slug":"own","":3,"n":{"k": [1]},"' + "x" * 70 + '":4}'
    pages = mapper(flat("id"), fold=str.lower, limits=Limits(max_name=63))
    done = pages.map(f"[{record}]".encode(), page_id=1, fetched_at=0)
    (row,) = rows(done.batches[0])
    names = [n for n in done.batches[0].rows.schema.names if n not in ("_page", "_record")]
    assert names[:3] == ["org_slug", "extracted_at", "id"]
    assert row["org_slug"] == "<org_slug>"
    assert row["id"] == 1
    values = done.batches[0].rows.to_pylist()[0]
    assert values["_org_slug"] == "own"
    assert values["_empty"] == 3
    assert values["n"] == '{"k": [1]}'
    assert sorted(v for v in values.values() if isinstance(v, int))[:4] == [0, 1, 1, 2]
    assert max(map(len, names)) == 63


def test_a_field_keeps_its_column_in_a_later_process() -> None:
    first = mapper(flat(), fold=str.lower).map(b'[{"id":1,"Id":2}]', page_id=1, fetched_at=0).batches[0]
    known = {"t": {n: t for n, t in first.types.items() if not n.startswith("_")}}
    later = mapper(flat(), fold=str.lower, known=known).map(b'[{"Id":2,"id":1}]', page_id=2, fetched_at=0)
    (before,), (after,) = first.rows.to_pylist(), later.batches[0].rows.to_pylist()
    assert {n: before[n] for n in known["t"] if n.startswith("id")} == {
        n: after[n] for n in known["t"] if n.startswith("id")
    }
    assert later.changes == ()


def test_new_fields_and_wide_records() -> None:
    pages = mapper(flat())
    pages.map(b'[{"a":1}]', page_id=1, fetched_at=0)
    wide = json.dumps([{f"c{i}": i for i in range(1200)}] * 3).encode()
    done = pages.map(wide, page_id=2, fetched_at=0)
    assert len(done.changes) == 1200
    assert done.batches[0].rows.num_columns == 1205
    limited = mapper(flat(), limits=Limits(max_columns=30)).map(wide, page_id=1, fetched_at=0)
    assert limited.batches == ()
    assert "this destination takes" in limited.rejected[0].reason


def test_the_raw_form() -> None:
    table = legacy_table(TableTarget(table="t", key_fields=["id"]), Transform(add_fields={"x": "{v}"}))
    (spec,) = table_specs([table])
    assert (spec.write, spec.key, spec.hidden, list(spec.columns)) == (
        "append", ("org_slug", "id"), ("id",), ["org_slug", "raw_data", "extracted_at", "x"],
    )  # fmt: skip
    done = mapped(table, '{"id": 1.50}', '{"id":null}', "7")
    assert done.batches[0].rows.to_pylist() == [
        {
            "org_slug": "<org_slug>", "raw_data": '{"id": 1.50}', "x": "<v>", "id": "1.50", "_page": 9, "_record": 0,
            "extracted_at": datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC),
        }
    ]  # fmt: skip
    assert [r.record for r in done.rejected] == [1, 2]


def test_the_same_pages_give_the_same_batches() -> None:
    pages = [b'[{"a":1,"b":"x"}]', b'[{"a":1.5,"c":[1]},{"a":null}]']

    def run() -> list[Any]:
        one = mapper(flat())
        return [one.map(p, page_id=i, fetched_at=i).batches[0].rows.to_pydict() for i, p in enumerate(pages)]

    assert run() == run()
