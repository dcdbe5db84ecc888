"""Undoing Content-Encoding: every format to its end, none beyond its bound."""

from __future__ import annotations

import gzip
import zlib

import brotli
import pytest
import zstandard

from headrace.core.errors import DecodeError, RequestFailed
from headrace.sources import inflate as module
from headrace.sources.inflate import accepted_encodings, inflate

PLAIN = b'{"items": [' + b",".join(b'{"id": %d, "name": "row %d"}' % (n, n * 7) for n in range(3000)) + b"]}"


def raw_deflate(data: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(data) + stream.flush()


def streamed_zstd(data: bytes) -> bytes:
    stream = zstandard.ZstdCompressor().compressobj()
    return stream.compress(data) + stream.flush()


PACKED = {
    "gzip": gzip.compress(PLAIN),
    "x-gzip": gzip.compress(PLAIN),
    "deflate": zlib.compress(PLAIN),
    "Deflate": raw_deflate(PLAIN),
    "zstd": zstandard.compress(PLAIN),
    "ZSTD": streamed_zstd(PLAIN),
    "br": brotli.compress(PLAIN),
}


@pytest.mark.parametrize("name", PACKED)
def test_every_coding_gives_the_body_back(name: str) -> None:
    assert inflate(PACKED[name], name) == PLAIN
    assert inflate(PACKED[name], name, max_bytes=len(PLAIN)) == PLAIN


@pytest.mark.parametrize("name", PACKED)
def test_a_cut_anywhere_is_noticed(name: str) -> None:
    packed = PACKED[name]
    for at in {1, 2, 5, 17, len(packed) // 2, len(packed) - 9, len(packed) - 4, len(packed) - 1}:
        with pytest.raises(RequestFailed) as caught:
            inflate(packed[:at], name)
        assert caught.value.status is None


@pytest.mark.parametrize("name", PACKED)
def test_a_bomb_stops_at_the_bound(name: str) -> None:
    with pytest.raises(DecodeError, match="larger than"):
        inflate(PACKED[name], name, max_bytes=len(PLAIN) - 1)


def test_a_zstd_bomb_does_not_fill_memory_first() -> None:
    import tracemalloc

    packed = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(200 << 20))
    tracemalloc.start()
    try:
        with pytest.raises(DecodeError, match="larger than"):
            inflate(packed, "zstd", max_bytes=1 << 20)
        assert tracemalloc.get_traced_memory()[1] < 50 << 20
    finally:
        tracemalloc.stop()


def test_members_frames_and_padding() -> None:
    twice = gzip.compress(PLAIN) + gzip.compress(b"tail")
    assert inflate(twice, "gzip") == PLAIN + b"tail"
    assert inflate(twice + bytes(512), "gzip") == PLAIN + b"tail"
    assert inflate(zstandard.compress(PLAIN) + streamed_zstd(b"tail"), "zstd") == PLAIN + b"tail"
    with pytest.raises(DecodeError, match="larger than"):
        inflate(twice, "gzip", max_bytes=len(PLAIN) + 3)
    for rest in (b"rest", gzip.compress(b"x")[:9]):
        with pytest.raises((RequestFailed, DecodeError)):
            inflate(twice + rest, "gzip")
    with pytest.raises(DecodeError, match="after the end"):
        inflate(zlib.compress(b"x") + b"rest", "deflate")


def test_codings_are_undone_from_the_last() -> None:
    assert inflate(gzip.compress(zlib.compress(PLAIN)), "deflate, identity,gzip") == PLAIN
    assert inflate(PLAIN, "") == inflate(PLAIN, "identity") == PLAIN


@pytest.mark.parametrize("name", ["gzip", "deflate", "zstd", "br"])
def test_what_is_damaged_is_a_failure_to_try_again(name: str) -> None:
    packed = bytearray(PACKED[name])
    packed[len(packed) // 2 : len(packed) // 2 + 40] = bytes(40)
    with pytest.raises(RequestFailed):
        inflate(bytes(packed), name)


def test_what_is_not_what_it_says() -> None:
    with pytest.raises(DecodeError, match="not gzip"):
        inflate(b'{"plain": 1}', "gzip")
    with pytest.raises(DecodeError, match="'sdch'") as caught:
        inflate(PLAIN, "sdch")
    assert "gzip, deflate, zstd, br" in caught.value.hint


def test_br_is_asked_for_only_where_it_can_be_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert accepted_encodings() == "gzip, deflate, zstd, br"
    monkeypatch.setattr(module, "_brotli", lambda: None)
    assert accepted_encodings() == "gzip, deflate, zstd"
    with pytest.raises(DecodeError, match="'br'") as caught:
        inflate(PACKED["br"], "br")
    assert "headrace[brotli]" in caught.value.hint
