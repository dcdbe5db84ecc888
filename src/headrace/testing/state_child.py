"""The other process of the state contract: ``python -m headrace.testing.state_child OPENER ADDRESS ACTION ...``."""

from __future__ import annotations

import json
import os
import signal
import sys
from importlib import import_module
from operator import attrgetter
from typing import Any

from headrace.core.clock import SystemClock
from headrace.state.contract import RunEntry, State
from headrace.state.heartbeat import Heartbeat


class FixedClock(SystemClock):
    """Wall time that moves only when told, in microseconds."""

    def __init__(self, now: int = 1_700_000_000_000_000) -> None:
        self.at = now

    def now(self) -> int:
        return self.at


def open_state(opener: str, address: str, **options: Any) -> State:
    """Call ``module:attribute`` with ``address``."""
    module, _, name = opener.partition(":")
    state: State = attrgetter(name)(import_module(module))(address, **options)
    return state


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _reserve(state: State, name: str, requests: str, per_seconds: str, count: str) -> None:
    _say("ready")
    sys.stdin.readline()
    waits = [state.limit(name).reserve(int(requests), float(per_seconds)) for _ in range(int(count))]
    _say(json.dumps(waits))


def _hold(state: State, run_id: str) -> None:
    state.put_run(RunEntry(run_id, "pipeline"))
    with Heartbeat(state, run_id, interval=0.01):
        _say("held")
        sys.stdin.read()


def _token(state: State, name: str, token: str) -> None:
    state.put_token(name, json.loads(token))
    os.kill(os.getpid(), signal.SIGKILL)


def main(opener: str, address: str, action: str, *words: str) -> None:
    if action == "reserve":
        _reserve(open_state(opener, address, clock=FixedClock()), *words)
    elif action == "hold":
        _hold(open_state(opener, address), *words)
    elif action == "token":
        _token(open_state(opener, address), *words)
    else:
        raise SystemExit(f"unknown action {action}")


if __name__ == "__main__":
    main(*sys.argv[1:])
