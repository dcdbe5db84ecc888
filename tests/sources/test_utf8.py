"""Long bodies are checked by Arrow: with Python's verdict on every one."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.sources.decode._text import _is_utf8

BEFORE = b"a" * 5000


def verdict(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


@settings(max_examples=500, deadline=None)
@given(st.one_of(st.binary(max_size=12), st.text(max_size=6).map(str.encode), st.integers(0, 0x10FFFF).map(chr).map(
    lambda c: c.encode("utf-8", "surrogatepass"))))  # fmt: skip
def test_the_verdict_is_pythons(end: bytes) -> None:
    assert _is_utf8(BEFORE + end) == verdict(BEFORE + end)
    assert _is_utf8(end + BEFORE) == verdict(end + BEFORE)


def test_what_only_looks_like_utf8() -> None:
    for odd in (b"\xf4\x90\x80\x80", b"\xc0\x80", b"\xe0\x80\x80", b"\xf0\x80\x80\x80", b"\xff", b"\xed\xa0\x80"):
        assert not _is_utf8(BEFORE + odd)
