"""One run whose events are timed: ``child.py PIPELINE DESTINATION [NAME=VALUE …]`` prints one line of JSON.

``wall`` and ``cpu`` are from the first step's start to the end of the run; ``commits`` when each commit ended and
how long it took; ``arrived`` when each page came; ``lag`` the longest that one waited until it was committed.
Times are of the monotonic clock, which all processes share.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import deque

os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")  # as the command line does

import headrace
from headrace.core import events


class Watch:
    def __init__(self) -> None:
        self.begun = self.cpu = 0.0
        self.wall = 0.0
        self.lag = 0.0
        self.commits: list[tuple[float, float]] = []
        self.arrived: list[float] = []
        self._waiting: deque[float] = deque()

    def emit(self, event: events.Event) -> None:
        now = time.monotonic()
        if isinstance(event, events.StepStarted):
            self.begun, self.cpu = now, time.process_time()
        elif isinstance(event, events.PageFetched):
            self.arrived.append(now)
            self._waiting.append(now)
        elif isinstance(event, events.BatchCommitted):
            self.commits.append((now, event.seconds))
            for _ in range(min(event.pages, len(self._waiting))):  # in order: there is one stream
                self.lag = max(self.lag, now - self._waiting.popleft())
        elif isinstance(event, events.RunFinished):
            self.wall, self.cpu = now - self.begun, time.process_time() - self.cpu


def main() -> None:
    pipeline, destination, *params = sys.argv[1:]
    watch = Watch()
    result = headrace.run(
        pipeline, destination=destination, params=dict(p.split("=", 1) for p in params), sinks=[watch]
    )
    told = {"status": result.status, "rows": sum(result.rows.values()), "requests": result.requests,
            "pages": result.pages, "error": result.error}  # fmt: skip
    print(json.dumps(told | {n: v for n, v in vars(watch).items() if not n.startswith("_")}))


if __name__ == "__main__":
    main()
