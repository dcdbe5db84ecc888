"""The archive gives back every answer byte for byte, or says that it cannot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from random import Random
from typing import Literal

import pytest

from headrace.core.contracts import Session
from headrace.core.errors import ArchiveMissing, DestinationError
from headrace.core.tables import Group, RawPage, StreamKey

from .build import RAW, SECOND, START, Writer, archived, page
from .read import fetch
from .target import DestinationTests, Target

KEY = StreamKey("run-1", "extract")
BODIES = {
    "empty": b"",
    "nul": b"\x00" * 5,
    "latin-1": "café".encode("latin-1"),
    "every byte": bytes(range(256)) * 3,
    "json": b'{"a": 1}\r\n',
    "5 MB": Random(5).randbytes(5 * 2**20),  # noqa: S311 - a seeded example
}


def kept(number: int, body: bytes, run: str = "run-1", slice: str = "") -> RawPage:
    return archived(StreamKey(run, "extract", slice), number, START + number * SECOND, body)


def save(session: Session, *pages: RawPage) -> None:
    session.prepare([], [RAW])
    for each in pages:
        session.commit(Group(each.run_id, pages=[each]))


class Archive(DestinationTests):
    @pytest.mark.parametrize("compression", ["zstd", "none"])
    def test_bodies_byte_for_byte(self, session: Session, compression: Literal["zstd", "none"]) -> None:
        for number, (name, body) in enumerate(BODIES.items(), start=1):
            one = replace(kept(number, body), compression=compression, masked=3, status=206)
            save(session, one)
            (back,) = session.raw_pages(RAW, page_number=number)
            assert back == one, name

    def test_the_same_page_twice_is_one_row(self, session: Session) -> None:
        one = kept(1, b"first")
        save(session, one, one)
        assert [each.body for each in session.raw_pages(RAW)] == [b"first"]

    def test_pages_come_in_the_order_they_were_fetched(self, session: Session) -> None:
        pages = [kept(3, b"c"), kept(1, b"a"), kept(2, b"b", slice="s"), kept(2, b"r", run="run-2")]
        save(session, *pages)
        found = list(session.raw_pages(RAW))
        assert found == sorted(pages, key=lambda each: each.page_id)

    def test_pages_are_found_by_run_number_and_id(self, session: Session) -> None:
        pages = [kept(1, b"a"), kept(2, b"b"), kept(2, b"s", slice="s"), kept(2, b"r", run="run-2")]
        save(session, *pages)
        assert {each.body for each in session.raw_pages(RAW, run_id="run-1")} == {b"a", b"b", b"s"}
        assert {each.body for each in session.raw_pages(RAW, run_id="run-1", page_number=2)} == {b"b", b"s"}
        assert [each.body for each in session.raw_pages(RAW, page_id=pages[3].page_id)] == [b"r"]
        assert list(session.raw_pages(RAW, run_id="no such run")) == []

    def test_a_nul_in_what_describes_a_page(self, session: Session) -> None:
        """Escaped where the database takes none as text: the body keeps it in any case."""
        one = replace(kept(1, b"a\0b", slice="s\0"), url="https://api.example/?q=\0", headers='{"x-note":"\0"}')
        save(session, one)
        writer = Writer(session).prepare()
        second = page(2, slice="s\0")
        writer.commit(second)
        writer.commit(page(3, slice="s\0"))
        first, *_ = session.raw_pages(RAW)
        assert (first.body, first.page_number) == (b"a\0b", 1)
        assert first.url.rstrip("\0") in ("https://api.example/?q=", "https://api.example/?q=\\0")
        stored = session.checkpoint(second.key)
        assert stored is not None
        assert stored.page_number == 3

    def test_pages_are_read_one_at_a_time(self, session: Session) -> None:
        save(session, *(kept(n, b"x" * n) for n in range(1, 30)))
        found = session.raw_pages(RAW)
        assert isinstance(found, Iterator)
        assert not isinstance(found, list | tuple)
        assert next(found).page_number == 1
        assert sum(1 for _ in found) == 28

    def test_an_archive_reader_that_stops_is_in_nobody_s_way(self, session: Session) -> None:
        save(session, *(kept(n, b"x") for n in range(1, 30)))
        found = session.raw_pages(RAW)
        next(found)
        save(session, kept(30, b"y"))
        del found
        assert len(list(session.raw_pages(RAW))) == 30

    def test_a_replay_commits_while_it_reads(self, session: Session) -> None:
        save(session, *(kept(n, b"x") for n in range(1, 6)))
        session.prepare([], ["other_pages"])
        for each in session.raw_pages(RAW):
            session.commit(Group("replay", pages=[replace(each, table="other_pages")]))
        assert len(list(session.raw_pages("other_pages"))) == 5

    def test_purged_bodies_are_missed_not_made_up(self, session: Session) -> None:
        save(session, kept(1, b"old"), kept(2, b"old"), kept(3, b"new"))
        assert session.purge(table=RAW, before=START + 3 * SECOND) == 2
        with pytest.raises(ArchiveMissing):
            list(session.raw_pages(RAW))
        with pytest.raises(ArchiveMissing):
            list(session.raw_pages(RAW, page_number=1))
        assert [each.body for each in session.raw_pages(RAW, page_number=3)] == [b"new"]
        assert fetch(session, "SELECT count(*) FROM raw_pages") == [(3,)], "that the page was fetched is still known"
        assert session.purge(table=RAW, before=START + 3 * SECOND) == 0

    def test_purge_of_one_run(self, session: Session) -> None:
        save(session, kept(1, b"a"), kept(1, b"b", run="run-2"))
        assert session.purge(table=RAW, run_id="run-2") == 1
        assert [each.body for each in session.raw_pages(RAW, run_id="run-1")] == [b"a"]
        with pytest.raises(ArchiveMissing):
            list(session.raw_pages(RAW, run_id="run-2"))
        session.vacuum()
        assert [each.body for each in session.raw_pages(RAW, run_id="run-1")] == [b"a"]

    def test_an_archive_that_was_never_kept(self, session: Session) -> None:
        session.prepare([], [])
        with pytest.raises(ArchiveMissing):
            list(session.raw_pages("no_such_archive"))

    @pytest.mark.parametrize("compression", ["zstd", "none"])
    def test_a_damaged_body_is_found(self, target: Target, compression: Literal["zstd", "none"]) -> None:
        with target.destination.open() as session:
            save(session, *(replace(kept(n, b"body %d" % n), compression=compression) for n in (1, 2)))
            assert len(list(session.raw_pages(RAW))) == 2
        target.execute(
            "UPDATE raw_pages SET response_blob = "
            "(SELECT response_blob FROM raw_pages WHERE page_number = 2) WHERE page_number = 1"
        )
        with target.destination.open() as session:
            with pytest.raises(DestinationError, match="1"):
                list(session.raw_pages(RAW))
            assert [each.body for each in session.raw_pages(RAW, page_number=2)] == [b"body 2"]

    def test_the_archive_of_a_commit_with_rows(self, session: Session) -> None:
        Writer(session).prepare().commit(page(1, body=b"one"), page(2, body=b"two"))
        assert [(each.page_number, each.body) for each in session.raw_pages(RAW)] == [(1, b"one"), (2, b"two")]
