"""The sign of life that other processes see."""

from __future__ import annotations

from threading import Event, Thread
from types import TracebackType

from headrace.state.contract import State


class Heartbeat:
    """While it is open, ``store`` says every ``interval`` seconds that this process runs ``run_id``.

    On a thread of its own, since a long decode or commit must not look like death. The first sign is
    given before ``with`` enters; the run is released when it leaves.
    """

    def __init__(self, store: State, run_id: str, *, interval: float = 2.0) -> None:
        self._store = store
        self._run_id = run_id
        self._interval = interval
        self._over = Event()
        self._thread = Thread(target=self._beat, name=f"headrace-heartbeat-{run_id}", daemon=True)

    def __enter__(self) -> Heartbeat:
        self._store.heartbeat(self._run_id)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        self._store.release(self._run_id)

    def _beat(self) -> None:
        while not self._over.wait(self._interval):
            self._store.heartbeat(self._run_id)
