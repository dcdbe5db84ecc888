"""Documents to an HTTP endpoint, beside the run and never in its way."""

from __future__ import annotations

import logging
import queue
import threading
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from headrace.core.errors import InputError

log = logging.getLogger("headrace.telemetry")
_TIMEOUT = 5.0
_WAITING = 100
"""Documents kept while the endpoint is slow; further ones are dropped, and that is logged."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect would take the key along to wherever it leads."""

    def redirect_request(self, *_: Any) -> None:
        return None


class Poster:
    """Posts JSON in order from a thread of its own. Failures are logged once, without the URL's query or user."""

    def __init__(self, url: str, key: str | None = None) -> None:
        parts = urlsplit(url)
        if not parts.hostname or "@" in parts.netloc:
            raise InputError(
                "the OpenLineage URL names no host, or carries a user name",
                hint="write https://host/api/v1/lineage, and the key in OPENLINEAGE_API_KEY",
            )
        self._url, self._shown = url, f"{parts.scheme}://{parts.netloc}{parts.path}"
        self._headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
        self._queue: queue.Queue[bytes | threading.Event] = queue.Queue(_WAITING)
        self._thread: threading.Thread | None = None
        self._complained = False

    def post(self, document: bytes) -> None:
        """Returns at once."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="headrace-telemetry", daemon=True)
            self._thread.start()
        try:
            self._queue.put_nowait(document)
        except queue.Full:
            self._complain("it is too slow")

    def flush(self, timeout: float = 2 * _TIMEOUT) -> bool:
        """Wait until everything was tried; false when that took longer than ``timeout`` seconds."""
        if self._thread is None:
            return True
        reached = threading.Event()
        try:
            self._queue.put(reached, timeout=timeout)
        except queue.Full:
            return False
        return reached.wait(timeout)

    def _work(self) -> None:
        opener = urllib.request.build_opener(_NoRedirects)
        while True:
            item = self._queue.get()
            if isinstance(item, threading.Event):
                item.set()
                continue
            request = urllib.request.Request(self._url, item, self._headers)  # noqa: S310 - http(s), checked by the caller
            try:
                with opener.open(request, timeout=_TIMEOUT):
                    pass
            except Exception as error:
                code = getattr(error, "code", None)
                self._complain(f"it answered {code}" if code else f"{type(error).__name__}")
                if code:
                    error.close()  # type: ignore[attr-defined]  # an HTTPError holds its answer open

    def _complain(self, why: str) -> None:
        if not self._complained:
            self._complained = True
            log.warning("%s does not take events: %s; the run goes on", self._shown, why)
