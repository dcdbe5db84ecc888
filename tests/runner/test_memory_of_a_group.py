"""A group on its way into the database is held once: what it came in is given up before the commit."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from headrace.core.tables import Batch, Group, Receipt
from headrace.destinations._session import SqlSession
from headrace.mapping.mapper import Mapper

PAGES, RECORDS = 30, 40


def test_its_parts_are_given_up(place: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(path: str, query: Mapping[str, str]) -> Any:
        page = int(query.get("page", "1"))
        return {"data": [{"id": page * RECORDS + n} for n in range(RECORDS)] if page <= PAGES else []}

    parts: list[weakref.ref[Any]] = []
    sizes: list[int] = []
    put_together, commit = Mapper.gather, SqlSession.commit

    def noting(self: Mapper, batches: Sequence[Batch]) -> Sequence[Batch]:
        parts.extend(weakref.ref(batch.rows) for batch in batches)
        return put_together(self, batches)

    def looking(self: SqlSession, group: Group) -> Receipt:
        if group.batches:
            sizes.append(len(group.batches))
            assert not [part for part in parts if part() is not None and part() is not group.batches[0].rows]
        return commit(self, group)

    monkeypatch.setattr(Mapper, "gather", noting)
    monkeypatch.setattr(SqlSession, "commit", looking)
    place.api.answer = answer
    file = place.file(
        {
            "url": f"{place.api.url}/items",
            "pagination": {"type": "page", "param": "page"},
            "tables": [{"table": "t", "key": ["id"], "columns": {"id": "id"}}],
            "commit_every": 5.0,
        }
    )
    assert place.run(file).status == "done"
    assert len(parts) > 1
    assert set(sizes) == {1}
    assert place.column("SELECT count(*) FROM t") == [PAGES * RECORDS]
