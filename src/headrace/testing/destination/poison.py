"""Records that a destination cannot store are set aside one by one; all others go in."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pytest

from headrace.core.contracts import Session
from headrace.core.tables import Batch, Group, Receipt, Rejected, TableSpec

from .build import RAW, Page, Writer, finish, page, table
from .read import contents, count, fetch, rows
from .target import DestinationTests, Target

LOG = table("log", "append", {"n": "int", "v": "string"})
ITEMS = table("items", "merge", {"n": "int", "v": "string"}, key=("n",))
INVALID = b"caf\xe9 \xff"
SURROGATE = b"\xed\xa0\x80"


def spoilt(one: Page, bad: dict[int, bytes]) -> Page:
    """``one`` with bytes that are not UTF-8 in column ``v`` of some records, as a page that was not
    checked would bring them."""
    (batch,) = one.batches
    column = batch.rows.schema.get_field_index("v")
    texts = [bad.get(n, (value or "").encode()) for n, value in enumerate(batch.rows.column(column).to_pylist())]
    plain = pa.array(texts, pa.binary())
    _, offsets, data = plain.buffers()
    assert offsets is not None
    assert data is not None
    lie = pa.StringArray.from_buffers(len(texts), offsets, data)
    return replace(one, batches=(Batch(batch.table, batch.rows.set_column(column, "v", lie), batch.types),))


def commit(session: Session, spec: TableSpec, size: int, bad: dict[int, bytes]) -> tuple[Page, Receipt]:
    clean = page(1, spec, [{"n": n, "v": f"v{n}"} for n in range(size)])
    receipt = Writer(session).prepare(spec).commit(spoilt(clean, bad))
    return clean, receipt


def stored(session: Session, spec: TableSpec) -> list[int]:
    return sorted(row[0] for row in fetch(session, f"SELECT n FROM {spec.name}"))


class Poison(DestinationTests):
    @pytest.mark.parametrize("spec", [LOG, ITEMS], ids=["append", "merge"])
    @pytest.mark.parametrize("bad", [[0], [19], [3, 4, 17], [*range(20)]], ids=str)
    def test_invalid_utf8_is_set_aside(self, session: Session, spec: TableSpec, bad: list[int]) -> None:
        clean, receipt = commit(session, spec, 20, {n: INVALID if n % 2 else SURROGATE for n in bad})
        assert stored(session, spec) == [n for n in range(20) if n not in bad]
        assert sorted((each.table, each.page_id, each.record) for each in receipt.rejected) == [
            (spec.name, clean.id, n) for n in bad
        ]
        assert all(each.reason for each in receipt.rejected)
        assert receipt.rows.get(spec.name, 0) == 20 - len(bad)
        assert count(session, f"{spec.name}_rejected") == len(bad)
        point = session.checkpoint(clean.key)
        assert point is not None
        assert point.page_number == 1

    def test_the_session_goes_on_after_poison(self, session: Session) -> None:
        commit(session, ITEMS, 5, {2: INVALID})
        Writer(session).commit(page(2, ITEMS, [{"n": 2, "v": "healed"}]))
        assert stored(session, ITEMS) == [0, 1, 2, 3, 4]

    def test_one_bad_page_in_a_group(self, session: Session) -> None:
        writer = Writer(session).prepare(LOG)
        pages = [page(n, LOG, [{"n": n, "v": "x"}, {"n": n + 10, "v": "y"}]) for n in (1, 2, 3)]
        pages[1] = spoilt(pages[1], {0: INVALID})
        receipt = writer.commit(*pages)
        assert stored(session, LOG) == [1, 3, 11, 12, 13]
        assert [(each.page_id, each.record) for each in receipt.rejected] == [(pages[1].id, 0)]

    @pytest.mark.parametrize("write", ["replace", "sync", "scd2"])
    def test_the_other_dispositions(self, session: Session, write: str) -> None:
        staging = {"staging": "staging_things"} if write == "sync" else {}
        spec = table("things", write, {"n": "int", "v": "string"}, key=() if write == "replace" else ("n",), **staging)
        _, receipt = commit(session, spec, 6, {4: INVALID})
        Writer(session).finish(spec)
        assert stored(session, spec) == [0, 1, 2, 3, 5]
        assert [each.record for each in receipt.rejected] == [4]

    @pytest.mark.parametrize("write", ["merge", "append", "sync", "scd2"])
    def test_poison_in_the_key(self, session: Session, write: str) -> None:
        staging = {"staging": "staging_things"} if write == "sync" else {}
        spec = table("things", write, {"v": "string", "n": "int"}, key=("v",), **staging)
        clean, receipt = commit(session, spec, 6, {4: INVALID})
        Writer(session).finish(spec)
        assert stored(session, spec) == [0, 1, 2, 3, 5]
        assert [(each.page_id, each.record) for each in receipt.rejected] == [(clean.id, 4)]

    def test_nul_in_every_place(self, session: Session, target: Target) -> None:
        clean = page(1, ITEMS, [{"n": 1, "v": "a\x00"}, {"n": 2, "v": "\x00"}, {"n": 3, "v": "c"}])
        receipt = Writer(session).prepare(ITEMS).commit(clean)
        if target.destination.capabilities().limits.nul:
            assert contents(session, ITEMS) == [(1, "a\x00"), (2, "\x00"), (3, "c")]
        else:
            assert contents(session, ITEMS) == [(3, "c")]
            assert sorted(each.record for each in receipt.rejected) == [0, 1]

    def test_a_rejected_record_is_not_a_member(self, session: Session) -> None:
        """It is not in the table, so a later run without it has nothing to remove."""
        commit(session, ITEMS, 10, {3: INVALID})
        Writer(session).finish(ITEMS)
        later = Writer(session, "run-2")
        seen = [{"n": n, "v": "x"} for n in range(10) if n != 3]
        receipt = later.commit(page(1, ITEMS, seen, run="run-2"), end=finish(ITEMS))
        assert sum(each.missing for each in receipt.removals) == 0

    @pytest.mark.parametrize("write", ["append", "merge"])
    def test_what_mapping_rejects_is_kept_with_its_bytes(self, session: Session, write: str) -> None:
        spec = table("things", write, {"id": "int"}, key=("id",) if write == "merge" else ())
        bodies = [b"", b"\x00\xff", INVALID, b'{"id": "x"}', b"z" * 100_000]
        made = page(1, spec, [{"id": 1}])
        found = tuple(
            Rejected("things", made.id, n, f'cannot: \x00 "it\'s" 🎬 {n}', 'co"l\x00', body)
            for n, body in enumerate(bodies)
        )
        receipt = Writer(session).prepare(spec).commit(replace(made, rejected=found))
        assert not receipt.rejected, "only what the destination refused"
        kept = rows(session, "things_rejected", {"_record": "int", "raw": "binary", "_page": "bigint"})
        assert sorted(kept) == [(n, body, made.id) for n, body in enumerate(bodies)]
        reasons = [row[0] for row in fetch(session, "SELECT reason FROM things_rejected")]
        assert all("cannot" in reason and "🎬" in reason for reason in reasons)

    def test_rejects_of_a_page_without_rows(self, session: Session) -> None:
        made = page(1)
        found = (Rejected("log", made.id, 0, "not an object", "", b"5"),)
        Writer(session).prepare(LOG).commit(replace(made, rejected=found))
        assert count(session, "log_rejected") == 1

    def test_nul_in_engine_texts(self, session: Session) -> None:
        made = page(1).raw
        assert made is not None
        session.prepare([LOG], [RAW])
        session.commit(Group("run-1", pages=[replace(made, headers='{"x":"\\u0000"}', url="https://x/?q=%00")]))
        (back,) = session.raw_pages(RAW)
        assert back.headers == '{"x":"\\u0000"}'
