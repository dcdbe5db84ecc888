"""The state contract: every keeper of state (:class:`headrace.state.contract.State`) passes it.

A keeper's tests are one class::

    class TestRedis(StateContract):
        opener = "acme.redis:open_state"      # importable, called as open_state(address, clock=...)

        @pytest.fixture
        def address(self, redis_url): return redis_url     # nothing is kept there yet
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import date
from threading import Thread
from typing import IO

import pytest

from headrace.state.contract import GONE, RunEntry, State
from headrace.state.heartbeat import Heartbeat

from .state_child import FixedClock, open_state

NOW = 1_700_000_000_000_000
SECOND = 1_000_000


class StateContract:
    """``opener`` names a callable as ``module:attribute``; ``address`` is what it is called with."""

    opener: str

    @pytest.fixture
    def address(self) -> str:
        raise NotImplementedError("a fixture that gives an empty place")

    @pytest.fixture
    def clock(self) -> FixedClock:
        return FixedClock(NOW)

    @pytest.fixture
    def state(self, address: str, clock: FixedClock) -> Iterator[State]:
        with closing(open_state(self.opener, address, clock=clock)) as state:
            yield state

    @pytest.fixture
    def other(self, address: str, clock: FixedClock) -> Iterator[State]:
        """The same place, as another process would open it."""
        with closing(open_state(self.opener, address, clock=clock)) as state:
            yield state

    @pytest.fixture
    def child(self, address: str) -> Iterator[Callable[..., subprocess.Popen[str]]]:
        """Starts another process on the same place; it is killed when the test ends."""
        with ExitStack() as stack:

            def start(*words: str) -> subprocess.Popen[str]:
                process = subprocess.Popen(
                    [sys.executable, "-m", f"{__package__}.state_child", self.opener, address, *words],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
                stack.enter_context(process)
                stack.callback(process.kill)
                return process

            yield start

    def test_a_run_comes_back_whole(self, state: State, other: State) -> None:
        entry = RunEntry(
            "r1", "sapi", "acme", "duckdb:///x.duckdb", "partial", "crawl", {"pages": 3, "of": None}, 2**53 + 1, 3, 4,
            11, "elsewhere", NOW - 5, NOW - 4, NOW - 3, "it 'broke' \u00e9", {"country": "us", "list": [1, {"a": True}]},
        )  # fmt: skip
        state.put_run(entry)
        assert other.run("r1") == entry
        assert other.run("r2") is None

    def test_put_again_replaces(self, state: State) -> None:
        state.put_run(RunEntry("r1", "old", status="done", rows=5))
        state.put_run(RunEntry("r1", "new", status="done"))
        found = state.run("r1")
        assert found is not None
        assert (found.pipeline, found.rows) == ("new", 0)
        assert len(state.runs()) == 1

    def test_what_is_unset_is_filled_in(self, state: State) -> None:
        import os

        state.put_run(RunEntry("r1", "p"))
        found = state.run("r1")
        assert found is not None
        assert (found.pid, found.started_at, found.updated_at, found.status) == (os.getpid(), NOW, NOW, "running")
        assert found.host

    def test_update_sets_the_named_fields_only(self, state: State, other: State, clock: FixedClock) -> None:
        state.put_run(RunEntry("r1", "p", rows=1, params={"a": 1}))
        clock.at += SECOND
        other.update_run("r1", pages=7, progress={"x": [1]}, status="failed", error="no", finished_at=NOW + 9)
        found = state.run("r1")
        assert found is not None
        assert (found.rows, found.pages, found.progress, found.status) == (1, 7, {"x": [1]}, "failed")
        assert (found.params, found.error, found.finished_at) == ({"a": 1}, "no", NOW + 9)
        assert (found.started_at, found.updated_at) == (NOW, NOW + SECOND)

    def test_odd_values_do_not_fail_a_run(self, state: State) -> None:
        state.put_run(RunEntry("r1", "p", params={"since": date(2024, 2, 29), "text": "a\ud800"}))
        state.update_run("r1", error="half an emoji \ud83d, a NUL \0", progress={"at": date(2024, 3, 1)})
        found = state.run("r1")
        assert found is not None
        assert (found.params, found.progress) == ({"since": "2024-02-29", "text": "a\ud800"}, {"at": "2024-03-01"})
        assert found.error.startswith("half an emoji ")

    def test_update_of_an_unknown_run_or_field(self, state: State) -> None:
        state.update_run("nobody", rows=1)
        assert state.run("nobody") is None
        with pytest.raises(TypeError, match="rowz"):
            state.update_run("nobody", rowz=1)

    def test_runs_are_listed_latest_first(self, state: State) -> None:
        for n in range(5):
            state.put_run(RunEntry(f"r{n}", "odd" if n % 2 else "even", status="done", started_at=NOW + n))
        assert [entry.run_id for entry in state.runs(limit=3)] == ["r4", "r3", "r2"]
        assert [entry.run_id for entry in state.runs(pipeline="odd")] == ["r3", "r1"]
        assert state.runs(pipeline="none") == []

    def test_a_living_holder(self, state: State, other: State, clock: FixedClock) -> None:
        import os

        assert state.holder("r1") is None
        with Heartbeat(state, "r1"):
            found = other.holder("r1")
            assert found is not None
            assert (found.pid, found.alive, found.heartbeat) == (os.getpid(), True, NOW)
            clock.at += SECOND
            state.heartbeat("r1")
            assert (found := other.holder("r1")) is not None
            assert found.heartbeat == NOW + SECOND
        assert state.holder("r1") is None

    def test_heartbeats_come_by_themselves(self, state: State, other: State, clock: FixedClock) -> None:
        with Heartbeat(state, "r1", interval=0.001):
            clock.at += SECOND
            for _ in range(100_000):
                found = other.holder("r1")
                if found is not None and found.heartbeat == NOW + SECOND:
                    return
        pytest.fail("no heartbeat came")

    def test_a_killed_process_is_seen_as_gone(self, state: State, child: Callable[..., subprocess.Popen[str]]) -> None:
        process = child("hold", "r1")
        assert _line(process.stdout) == "held"
        entry, holder = state.run("r1"), state.holder("r1")
        assert entry is not None
        assert holder is not None
        assert (entry.status, holder.pid, holder.alive) == ("running", process.pid, True)
        process.kill()
        process.wait()
        entry, holder = state.run("r1"), state.holder("r1")
        assert entry is not None
        assert holder is not None
        assert (entry.status, holder.pid, holder.alive) == (GONE, process.pid, False)
        assert [found.status for found in state.runs()] == [GONE]
        state.put_run(RunEntry("r1", "pipeline"))
        assert [found.status for found in state.runs()] == ["running"]

    def test_a_run_that_ended_is_not_gone(self, state: State, child: Callable[..., subprocess.Popen[str]]) -> None:
        process = child("hold", "r1")
        assert _line(process.stdout) == "held"
        state.update_run("r1", status="done")
        process.kill()
        process.wait()
        assert [found.status for found in state.runs()] == ["done"]

    def test_a_clean_exit_releases(self, state: State, child: Callable[..., subprocess.Popen[str]]) -> None:
        process = child("hold", "r1")
        assert _line(process.stdout) == "held"
        state.release("r1")
        assert process.poll() is None
        assert state.holder("r1") is not None, "only its holder may release it"
        process.communicate("")
        assert state.holder("r1") is None

    def test_tokens(self, state: State, other: State) -> None:
        assert state.get_token("acme") is None
        state.put_token("acme", {"refresh_token": "first", "expires_at": 12.5})
        state.put_token("other", {"x": None})
        state.put_token("acme", {"refresh_token": "second"})
        assert other.get_token("acme") == {"refresh_token": "second"}
        assert other.get_token("other") == {"x": None}
        state.put_token("acme", None)
        assert state.get_token("acme") is None
        assert other.get_token("acme") is None

    def test_a_token_is_stored_when_put_returns(
        self, state: State, child: Callable[..., subprocess.Popen[str]]
    ) -> None:
        child("token", "acme", '{"refresh_token": "rotated"}').wait()
        assert state.get_token("acme") == {"refresh_token": "rotated"}

    def test_a_limit_gives_the_moments_there_are(self, state: State, other: State, clock: FixedClock) -> None:
        waits = [(state, other)[n % 2].limit("api").reserve(3, 10) for n in range(7)]
        assert waits == pytest.approx([0, 0, 0, 10, 10, 10, 20], abs=0.001)
        assert all(wait >= exact for wait, exact in zip(waits, [0, 0, 0, 10, 10, 10, 20], strict=True))
        clock.at += 25 * SECOND
        assert [state.limit("api").reserve(3, 10) for _ in range(2)] == pytest.approx([0, 0], abs=0.001)
        assert state.limit("api").reserve(3, 10) == pytest.approx(5, abs=0.001)

    def test_a_limit_spreads_what_it_gives(self, state: State, other: State) -> None:
        """Processes that begin together do not spend a window's requests in its first moment."""
        waits = [(state, other)[n % 2].limit("api").reserve(10, 1, burst=2) for n in range(12)]
        assert waits == pytest.approx([n // 2 * 0.2 for n in range(12)], abs=0.001)

    def test_limits_have_names(self, state: State) -> None:
        assert [state.limit(name).reserve(1, 60) for name in ("a", "b", "a")] == pytest.approx([0, 0, 60], abs=0.001)

    def test_after_a_long_use_no_window_holds_too_many(self, state: State, clock: FixedClock) -> None:
        moments = []
        for n in range(400):
            clock.at += n * 7919 % 90_000
            moments.append(clock.at + round(state.limit("api").reserve(5, 0.5) * SECOND))
            if n < 200:  # first a client that waits each time, then one that queues
                clock.at = moments[-1]
        assert_windows(moments, 5, 500_000)

    def test_clocks_may_differ_a_little(self, state: State, address: str, clock: FixedClock) -> None:
        behind = FixedClock(clock.at - SECOND // 2)
        moments = []
        with closing(open_state(self.opener, address, clock=behind)) as other:
            for n in range(60):
                store, own = ((state, clock), (other, behind))[n % 3 == 2]
                clock.at += 30_000
                behind.at += 30_000
                moments.append(own.at + round(store.limit("api").reserve(4, 0.2) * SECOND))
        assert_windows(moments, 4, 200_000)

    def test_a_clock_set_back_does_not_lock_anybody_out(self, state: State, clock: FixedClock) -> None:
        for _ in range(2):
            state.limit("api").reserve(1, 10)
        clock.at -= 86_400 * SECOND
        assert state.limit("api").reserve(1, 10) == pytest.approx(20, abs=0.001)

    def test_two_processes_share_a_limit(self, child: Callable[..., subprocess.Popen[str]]) -> None:
        both = [child("reserve", "api", "10", "1.5", "500") for _ in range(2)]
        assert [_line(process.stdout) for process in both] == ["ready", "ready"]
        for process in both:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        waits = [json.loads(process.communicate()[0]) for process in both]
        moments = [round(wait * SECOND) for one in waits for wait in one]
        assert len(moments) == 1000
        assert_windows(moments, 10, 1_500_000)
        assert max(moments) < 99 * 1_500_100, "no slot may be wasted"

    def test_threads_share_a_limit(self, state: State) -> None:
        waits: list[float] = []

        def work() -> None:
            waits.extend(state.limit("api").reserve(10, 1) for _ in range(50))

        threads = [Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert_windows([round(wait * SECOND) for wait in waits], 10, SECOND)
        assert len(waits) == 200


def assert_windows(moments: list[int], requests: int, length: int) -> None:
    """No window of ``length`` microseconds holds more than ``requests`` of ``moments``."""
    ordered = sorted(moments)
    for first, beyond in zip(ordered, ordered[requests:], strict=False):
        assert beyond - first > length


def _line(stream: IO[str] | None) -> str:
    assert stream is not None
    return stream.readline().strip()
