"""Many threads, two instances and two processes at once: each request goes to exactly one."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import ExitStack

from headrace.core.errors import ScopeIsBusy
from headrace.state.progress.contract import ProgressStore

from .child import claim_all
from .target import LONG, ProgressTests, request, there, together


class Racing(ProgressTests):
    def test_each_is_claimed_by_exactly_one_thread(self, store: ProgressStore, other: ProgressStore) -> None:
        for number in range(100):
            store.create(request(number))
        claimed = together(8, lambda n: claim_all((store, other)[n % 2], f"w{n}"))
        assert sorted(found for each in claimed for found in each) == sorted(f"r{number}" for number in range(100))
        for number, mine in enumerate(claimed):
            assert store.beat(f"w{number}", [f"r{n}" for n in range(100)], lease_seconds=LONG) == set(mine)

    def test_one_that_ran_out_goes_to_exactly_one(self, store: ProgressStore, other: ProgressStore) -> None:
        for number in range(40):
            store.create(request(number))
            store.claim("gone", lease_seconds=0)
        claimed = together(8, lambda n: claim_all((store, other)[n % 2], f"w{n}"))
        assert sorted(found for each in claimed for found in each) == sorted(f"r{number}" for number in range(40))

    def test_each_is_claimed_by_exactly_one_process(self, store: ProgressStore, address: str) -> None:
        for number in range(120):
            store.create(request(number))
        with ExitStack() as stack:
            both = []
            for owner in ("one", "two"):
                process = subprocess.Popen(
                    [sys.executable, "-m", f"{__package__}.child", self.opener, address, owner],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
                stack.enter_context(process)
                stack.callback(process.kill)
                both.append(process)
            for process in both:
                assert process.stdout is not None
                assert process.stdout.readline() == "ready\n"
            for process in both:
                assert process.stdin is not None
                process.stdin.write("go\n")
                process.stdin.flush()
            claimed = [json.loads(process.communicate()[0]) for process in both]
        assert sorted(found for each in claimed for found in each) == sorted(f"r{number}" for number in range(120))

    def test_one_key_at_once_makes_one_request(self, store: ProgressStore, other: ProgressStore) -> None:
        for turn in range(10):
            made = together(
                8, lambda n, t=turn: (store, other)[n % 2].create(request(10 * t + n, scope=f"s{t}"), key=f"k{t}").request_id  # type: ignore[misc]  # binds the turn
            )  # fmt: skip
            assert len(set(made)) == 1
        assert len(store.find(limit=1000)) == 10

    def test_one_scope_at_once_makes_one_request(self, store: ProgressStore, other: ProgressStore) -> None:
        def ask(number: int) -> str:
            try:
                return (store, other)[number % 2].create(request(number, scope="s")).request_id
            except ScopeIsBusy as error:
                return f"busy with {error.request_id}"

        answers = sorted(together(8, ask))
        (made,) = [answer for answer in answers if not answer.startswith("busy")]
        assert [answer for answer in answers if answer != made] == [f"busy with {made}"] * 7
        assert len(store.find()) == 1

    def test_one_reopened_at_once_is_queued_once(self, store: ProgressStore, other: ProgressStore) -> None:
        self.held(store, scope="s")
        store.update("r1", "a", status="failed")
        assert sorted(together(8, lambda n: (store, other)[n % 2].reopen("r1"))) == [False] * 7 + [True]
        assert len(together(4, lambda n: claim_all(store, str(n)))) == 4
        found = there(store, "r1")
        assert found.status == "running"
