"""The response cache: what it gives back, what it survives, what it keeps."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
import tracemalloc
from pathlib import Path

import pytest

from headrace.core import faults
from headrace.core.http import Response
from headrace.state.cache import ResponseCache


def answer(body: bytes = b"{}", *, status: int = 200, at: int = 1_700_000_000_000_000) -> Response:
    return Response(
        status=status,
        headers=(("content-type", "application/json"), ("link", "<a>"), ("link", "<b>")),
        body=body,
        url="https://api.example.org/x?q=é",
        fetched_at=at,
        elapsed=0.25,
    )


def segments(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.segment"))


@pytest.mark.parametrize("body", [b"", b"x", os.urandom(300), os.urandom(70_000), b'{"a": 1}' * 30_000])
def test_an_answer_comes_back_whole(tmp_path: Path, body: bytes) -> None:
    cache = ResponseCache(tmp_path, "run")
    cache.put("k", answer(body, status=206))
    for reader in (cache, ResponseCache(tmp_path, "run")):
        back = reader.get("k")
        assert back is not None
        assert back.from_cache
        assert (back.body, back.status, back.url, back.fetched_at, back.elapsed) == (
            body,
            206,
            "https://api.example.org/x?q=é",
            1_700_000_000_000_000,
            0.25,
        )
        assert back.headers == answer().headers
    assert cache.get("other") is None


def test_runs_do_not_see_each_other(tmp_path: Path) -> None:
    ResponseCache(tmp_path, "a").put("k", answer())
    assert ResponseCache(tmp_path, "A").get("k") is None
    odd = ResponseCache(tmp_path / "in", "../../x/..")
    odd.put("k", answer())
    assert len(segments(tmp_path / "in")) == 1


def test_files_are_private(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        ResponseCache(tmp_path / "cache", "run").put("k", answer())
    finally:
        os.umask(before)
    (segment,) = segments(tmp_path)
    assert stat.S_IMODE(segment.stat().st_mode) == 0o600
    assert stat.S_IMODE(segment.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(segment.parent.parent.stat().st_mode) == 0o700


def test_the_newest_answer_to_a_key_wins_also_over_processes(tmp_path: Path) -> None:
    first = ResponseCache(tmp_path, "run")
    first.put("k", answer(b"old"))
    first.put("k", answer(b"new"))
    second = ResponseCache(tmp_path, "run")
    second.put("k", answer(b"newest"))
    third = ResponseCache(tmp_path, "run").get("k")
    assert third is not None
    assert third.body == b"newest"


def test_segments_are_read_in_the_order_they_were_begun(tmp_path: Path) -> None:
    caches = [ResponseCache(tmp_path, "run") for _ in range(8)]
    for n, cache in enumerate(caches):
        cache.put("k", answer(b"%d" % n))
    contents = {path: path.read_bytes() for path in segments(tmp_path)}
    assert len(contents) == 8
    for arrangement in (sorted(contents), sorted(contents, reverse=True)):
        for path in segments(tmp_path):
            path.unlink()
        for path in arrangement:
            path.write_bytes(contents[path])
        found = ResponseCache(tmp_path, "run").get("k")
        assert found is not None
        assert found.body == b"7"


def test_a_torn_answer_does_not_hide_the_one_before(tmp_path: Path) -> None:
    cache = ResponseCache(tmp_path, "run")
    cache.put("k", answer(b"whole"))
    cache.put("k", answer(b"torn"))
    (segment,) = segments(tmp_path)
    segment.write_bytes(segment.read_bytes()[:-1])
    found = ResponseCache(tmp_path, "run").get("k")
    assert found is not None
    assert found.body == b"whole"


def test_two_live_caches_of_one_run_do_not_disturb_each_other(tmp_path: Path) -> None:
    a, b = ResponseCache(tmp_path, "run"), ResponseCache(tmp_path, "run")
    for n in range(50):
        (a if n % 2 else b).put(f"k{n}", answer(b"%d" % n))
    after = ResponseCache(tmp_path, "run")
    for n in range(50):
        found = after.get(f"k{n}")
        assert found is not None
        assert found.body == b"%d" % n


def test_any_cut_keeps_what_is_whole_and_goes_on(tmp_path: Path) -> None:
    cache = ResponseCache(tmp_path, "run")
    ends = []
    for n in range(3):
        cache.put(f"k{n}", answer(os.urandom(20)))
        ends.append(segments(tmp_path)[0].stat().st_size)
    (segment,) = segments(tmp_path)
    whole = segment.read_bytes()
    for size in range(len(whole) + 1):
        segment.write_bytes(whole[:size])
        again = ResponseCache(tmp_path, "run")
        expected = sum(end <= size for end in ends)
        assert [again.get(f"k{n}") is not None for n in range(3)] == [n < expected for n in range(3)], size
    segment.write_bytes(whole[:-1])
    again = ResponseCache(tmp_path, "run")
    again.put("k9", answer(b"after"))
    last = ResponseCache(tmp_path, "run")
    assert last.get("k0") is not None
    assert last.get("k9") is not None


def test_any_flipped_byte_is_a_miss_never_a_wrong_answer(tmp_path: Path) -> None:
    cache = ResponseCache(tmp_path, "run")
    body = b'{"n": 12345}' * 100
    cache.put("k0", answer(body))
    cache.put("k1", answer(b"one"))
    (segment,) = segments(tmp_path)
    whole = segment.read_bytes()
    for position in range(len(whole)):
        damaged = bytearray(whole)
        damaged[position] ^= 0x55
        segment.write_bytes(damaged)
        again = ResponseCache(tmp_path, "run")
        found = [again.get("k0"), again.get("k1")]
        assert found.count(None) >= 1, position
        assert [f.body for f in found if f] == [b for b, f in zip((body, b"one"), found, strict=True) if f]


def test_a_full_segment_goes_once_all_of_it_is_committed(tmp_path: Path) -> None:
    passed: list[str] = []
    faults.install(passed.append)
    try:
        cache = ResponseCache(tmp_path, "run", segment_bytes=20_000)
        for n in range(100):
            cache.put(f"k{n}", answer(os.urandom(1000)))
        before = segments(tmp_path)
        assert 5 <= len(before) <= 7
        cache.committed(f"k{n}" for n in range(1, 99))
        assert segments(tmp_path) == [before[0], before[-1]]
        cache.committed(["k0", "k0", "never put"])
        assert segments(tmp_path) == [before[-1]]
        assert cache.get("k50") is None
        assert cache.get("k99") is not None
    finally:
        faults.install(None)
    assert passed.count("cache.write") == 100
    assert passed.count("cache.segment_removed") == len(before) - 1


def test_an_answer_put_again_does_not_hold_its_old_segment(tmp_path: Path) -> None:
    cache = ResponseCache(tmp_path, "run", segment_bytes=1)
    cache.put("k", answer(b"1"))
    cache.put("k", answer(b"2"))
    assert len(segments(tmp_path)) == 1
    cache.committed(["k"])
    assert segments(tmp_path) == []


def test_close_keeps_what_is_pending_and_remove_deletes_all(tmp_path: Path) -> None:
    cache = ResponseCache(tmp_path, "run")
    cache.put("a", answer())
    cache.close()
    cache.put("b", answer())
    again = ResponseCache(tmp_path, "run")
    assert again.get("a") is not None
    assert again.get("b") is None
    again.put("c", answer())
    again.close()
    again.close(remove=True)
    assert list(tmp_path.iterdir()) == []
    done = ResponseCache(tmp_path, "run")
    done.put("d", answer())
    done.committed(["d"])
    done.close()
    assert list(tmp_path.iterdir()) == []


def test_a_deleted_folder_costs_requests_only(tmp_path: Path) -> None:
    import shutil

    warnings: list[str] = []
    cache = ResponseCache(tmp_path / "c", "run", segment_bytes=1, warn=warnings.append)
    cache.put("a", answer())
    shutil.rmtree(tmp_path / "c")
    assert cache.get("a") is None
    cache.put("b", answer())
    assert cache.get("b") is not None
    cache.committed(["a", "b"])
    cache.close(remove=True)
    assert warnings == []


def test_a_folder_that_cannot_be_written_warns_once(tmp_path: Path) -> None:
    (tmp_path / "c").write_text("a file where the folder should be")
    warnings: list[str] = []
    cache = ResponseCache(tmp_path / "c", "run", warn=warnings.append)
    for n in range(5):
        cache.put(f"k{n}", answer())
        assert cache.get(f"k{n}") is None
    cache.close(remove=True)
    assert len(warnings) == 1
    assert "Nothing is lost" in warnings[0]


_FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from headrace.core.http import Response
from headrace.state.cache import ResponseCache
import os
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
warnings = []
cache = ResponseCache(Path(sys.argv[1]), "run", warn=warnings.append)
for n in range(20):
    cache.put(f"k{n}", Response(200, (), os.urandom(3000), "u", n))
    if n == 3:  # room again, behind a torn entry
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
kept = [n for n in range(20) if cache.get(f"k{n}") is not None]
assert kept == [0, 1, 2], kept
assert len(warnings) == 1, warnings
"""


def test_a_full_disk_warns_once_and_keeps_what_is_whole(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", _FULL_DISK, str(tmp_path)], check=True, timeout=30)
    again = ResponseCache(tmp_path, "run")
    assert [n for n in range(20) if again.get(f"k{n}") is not None] == [0, 1, 2]


_WRITER = """
import os, sys
from pathlib import Path
from headrace.core.http import Response
from headrace.state.cache import ResponseCache
cache = ResponseCache(Path(sys.argv[1]), "run")
body = os.urandom(2_000_000)
for n in range(100_000):
    cache.put(f"k{n}", Response(200, (), body, "u", n))
    if len(sys.argv) > 2:
        os.write(1, b".")
        cache.committed([f"k{n - 5}"])
"""


def test_killed_before_a_write_only_that_answer_is_missing(tmp_path: Path) -> None:
    child = subprocess.run(
        [sys.executable, "-c", _WRITER, str(tmp_path)],
        env={**os.environ, "HEADRACE_FAULT": "cache.write:4:kill"},
        timeout=30,
    )
    assert child.returncode == -signal.SIGKILL
    again = ResponseCache(tmp_path, "run")
    assert [again.get(f"k{n}") is not None for n in range(5)] == [True, True, True, False, False]


@pytest.mark.parametrize("puts", [1, 4, 9])
def test_killed_while_it_writes_every_answer_reported_is_there(tmp_path: Path, puts: int) -> None:
    with subprocess.Popen([sys.executable, "-c", _WRITER, str(tmp_path), "report"], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        reported = len(child.stdout.read(puts))
        child.kill()
        reported += len(child.stdout.read())
    again = ResponseCache(tmp_path, "run")
    for n in range(max(0, reported - 5), reported):
        found = again.get(f"k{n}")
        assert found is not None
        assert len(found.body) == 2_000_000
    again.put("next", answer(b"next"))
    after = ResponseCache(tmp_path, "run").get("next")
    assert after is not None


def test_threads_may_share_it(tmp_path: Path) -> None:
    cache = ResponseCache(tmp_path, "run", segment_bytes=5_000)
    wrong: list[str] = []

    def work(me: int) -> None:
        for n in range(100):
            key = f"{me}-{n}"
            cache.put(key, answer(key.encode() * 50))
            found = cache.get(key)
            if found is None or found.body != key.encode() * 50:
                wrong.append(key)
            if n % 2:
                cache.committed([key])

    threads = [threading.Thread(target=work, args=(me,)) for me in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert all(cache.get(f"{me}-{n}") is not None for me in range(4) for n in range(0, 100, 2))


def test_memory_is_bounded_by_what_is_pending(tmp_path: Path) -> None:
    small = answer(b"{}")
    cache = ResponseCache(tmp_path, "run", segment_bytes=1 << 20)
    tracemalloc.start()
    try:
        for n in range(8_000):
            cache.put(f"k{n}", small)
        pending = tracemalloc.get_traced_memory()[0]
        cache.committed(f"k{n}" for n in range(8_000))
        for n in range(8_000, 12_000):
            cache.put(f"k{n}", small)
            cache.committed([f"k{n}"])
        left = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert pending / 8_000 < 130
    # A dict keeps its table (about 40 bytes an entry) once it has grown; the entries themselves are gone.
    assert left < pending * 0.75
    assert len(segments(tmp_path)) == 1


def test_a_file_that_cannot_be_closed_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Network file systems report a failed write at close."""
    ResponseCache(tmp_path, "run").put("k", answer())
    close = os.close

    def failing(number: int) -> None:
        close(number)
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "close", failing)
    assert ResponseCache(tmp_path, "run")._index.places


def test_a_packed_body_takes_the_room_that_it_needs(tmp_path: Path) -> None:
    body = b'{"a": "' + b"the same again " * 10_000 + b'"}'
    kept = ResponseCache(tmp_path, "run").put("key", answer(body))
    tracemalloc.start()
    try:
        held = [ResponseCache(tmp_path, f"run-{n}").put("key", answer(body)).packed for n in range(10)]
        assert tracemalloc.get_traced_memory()[0] < len(body)
    finally:
        tracemalloc.stop()
    assert held[0] == kept.packed
