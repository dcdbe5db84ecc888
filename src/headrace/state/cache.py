"""The write-ahead response cache: an answer is on disk before anything is made of it.

A saved answer replaces a request; it is never asked where the crawl stands. Losing it costs requests,
never data, so nothing here raises: what cannot be read is a miss, and what cannot be written switches
the cache off with one warning.

A run's folder holds segments. An entry is a header (:data:`_HEADER`), the answer without its body as
JSON, and the body (zstd, or plain when small). A segment is written by one process only: a resumed
run reads what the dead one left and starts a segment of its own, so a torn tail is never written
behind, and two processes can never interleave.
"""

from __future__ import annotations

import json
import os
import struct
import time
import zlib
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from hashlib import blake2b
from pathlib import Path
from threading import Lock
from typing import Any

from headrace.core import faults
from headrace.core.http import Response

_HEADER = struct.Struct("<4sBIQI16sI")
"""magic, whether the body is packed, bytes of JSON, bytes of body, CRC-32 of both, key digest, CRC-32 of the header."""
_MAGIC = b"HRC1"
_PLAIN_BELOW = 512
_META = tuple(f.name for f in fields(Response) if f.name not in ("body", "packed", "from_cache"))


@dataclass(slots=True)
class _Segment:
    path: Path
    size: int = 0
    pending: int = 0
    """Entries not yet committed."""


@dataclass(slots=True)
class _Index:
    """Where the newest entry of each pending key is. Half of the digest and a packed place are two small
    integers, about 110 bytes an entry; the whole digest is compared when an entry is read."""

    places: dict[int, int] = field(default_factory=dict)

    def put(self, digest: bytes, number: int, offset: int) -> int | None:
        """Returns the number of the segment that held the key before."""
        key = int.from_bytes(digest[:7], "big")
        before = self.places.get(key)
        self.places[key] = number << 34 | offset
        return None if before is None else before >> 34

    def get(self, digest: bytes) -> tuple[int, int] | None:
        place = self.places.get(int.from_bytes(digest[:7], "big"))
        return None if place is None else (place >> 34, place & (1 << 34) - 1)

    def pop(self, digest: bytes) -> int | None:
        place = self.places.pop(int.from_bytes(digest[:7], "big"), None)
        return None if place is None else place >> 34


class ResponseCache:
    """The answers of one run that are not committed yet.

    ``folder`` is the cache folder of the state folder; ``run_id`` may be any text. What is put must be
    masked before: bodies lie on disk as they are given (files 0600, folders 0700). ``warn`` is called
    at most once. Thread-safe.
    """

    def __init__(
        self,
        folder: Path,
        run_id: str,
        *,
        segment_bytes: int = 32 << 20,
        warn: Callable[[str], None] | None = None,
    ) -> None:
        import zstandard

        # A digest, since a run may be called `../x`, or `A` beside `a` on a file system that folds case.
        self._folder = folder / blake2b(run_id.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
        self._segment_bytes = min(segment_bytes, 1 << 33)
        self._warn = warn
        self._lock = Lock()
        self._pack = zstandard.ZstdCompressor(level=1, write_checksum=False).compress
        self._unpack = zstandard.ZstdDecompressor().decompress
        self._index = _Index()
        self._segments: dict[int, _Segment] = {}
        self._last = 0
        self._current: int | None = None
        self._fd = -1
        self._off = False
        for path in self._on_disk():
            self._scan(path)

    def get(self, key: str) -> Response | None:
        """The answer saved under ``key`` and not committed yet, or ``None``."""
        digest = _digest(key)
        with self._lock:
            place = self._index.get(digest)
            if place is None:
                return None
            try:
                return self._read(self._segments[place[0]].path, place[1], digest)
            except (OSError, ValueError, TypeError, _zstd_error()):
                return None

    def put(self, key: str, response: Response) -> Response:
        """Save ``response`` with one ``write``: it survives the death of the process, not of the machine.
        Returns it with its body ``packed``, if that was done."""
        digest = _digest(key)
        with self._lock:
            if self._off:
                return response
            faults.point("cache.write")
            if len(response.body) >= _PLAIN_BELOW:
                # What zstandard returns still holds the room that the body might have needed: five times as much.
                response = replace(response, packed=bytes(memoryview(self._pack(response.body))))
            entry = self._entry(digest, response)
            try:
                number, segment = self._writable()
                written = os.write(self._fd, entry)
            except OSError as error:
                self._switch_off(error.strerror or str(error))
                return response
            if written != len(entry):
                # Nothing of this process comes after the torn tail, and a scan stops at it.
                self._switch_off("the disk is full")
                return response
            before = self._index.put(digest, number, segment.size)
            segment.size += written
            segment.pending += 1
            if before is not None:
                self._done(before)
            if segment.size >= self._segment_bytes:
                self._rotate()
            return response

    def committed(self, keys: Iterable[str]) -> None:
        """These answers are in the destination: drop them, and remove each full segment that holds nothing else."""
        with self._lock:
            for key in keys:
                number = self._index.pop(_digest(key))
                if number is not None:
                    self._done(number)

    def close(self, remove: bool = False) -> None:
        """Release the files; with ``remove`` (the run is over) also delete every segment of the run."""
        with self._lock:
            self._rotate()
            self._off = True
            if remove:
                self._index.places.clear()
                for number in list(self._segments):
                    self._remove(number)
                for path in self._on_disk():
                    _quietly(path.unlink)
            _quietly(self._folder.rmdir)

    def _on_disk(self) -> list[Path]:
        """Segments in the order they were begun, so that the newest answer to a key wins."""
        try:
            return sorted(path for path in self._folder.iterdir() if path.suffix == ".segment")
        except OSError:
            return []

    def _entry(self, digest: bytes, response: Response) -> bytes:
        meta = json.dumps({name: getattr(response, name) for name in _META}, separators=(",", ":")).encode()
        packed = response.packed is not None
        body = response.body if response.packed is None else response.packed
        crc = zlib.crc32(body, zlib.crc32(meta))
        head = _HEADER.pack(_MAGIC, packed, len(meta), len(body), crc, digest, 0)[:-4]
        return b"".join((head, zlib.crc32(head).to_bytes(4, "little"), meta, body))

    def _read(self, path: Path, offset: int, digest: bytes) -> Response:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            packed, meta_size, body_size, crc, found = _header(os.pread(fd, _HEADER.size, offset))
            data = os.pread(fd, meta_size + body_size, offset + _HEADER.size)
        finally:
            os.close(fd)
        if found != digest or len(data) != meta_size + body_size or zlib.crc32(data) != crc:
            raise ValueError("not what was written")
        meta: dict[str, Any] = json.loads(data[:meta_size])
        meta["headers"] = tuple((name, value) for name, value in meta["headers"])
        body = data[meta_size:]
        if packed:
            return Response(**meta, body=self._unpack(body), packed=body, from_cache=True)
        return Response(**meta, body=body, from_cache=True)

    def _scan(self, path: Path) -> None:
        """Take the entries of a segment that an earlier process wrote into the index, up to a damaged header
        or a torn tail."""
        self._last += 1
        segment = self._segments[self._last] = _Segment(path)
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return
        try:
            end = os.fstat(fd).st_size
            while segment.size < end:
                _, meta_size, body_size, _, digest = _header(os.pread(fd, _HEADER.size, segment.size))
                after = segment.size + _HEADER.size + meta_size + body_size
                if after > end:
                    break
                before = self._index.put(digest, self._last, segment.size)
                segment.size = after
                segment.pending += 1
                if before is not None:
                    self._done(before)
        except (OSError, ValueError):
            pass  # the rest of this segment costs requests
        finally:
            _quietly(lambda: os.close(fd))

    def _writable(self) -> tuple[int, _Segment]:
        if self._current is None:
            _make_private(self._folder)
            path = self._folder / f"{time.time_ns():020d}-{os.getpid()}-{os.urandom(4).hex()}.segment"
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
            self._last += 1
            self._segments[self._last] = _Segment(path)
            self._current = self._last
        return self._current, self._segments[self._current]

    def _rotate(self) -> None:
        """No more is written to the current segment."""
        if self._current is None:
            return
        number, self._current = self._current, None
        _quietly(lambda: os.close(self._fd))
        if not self._segments[number].pending:
            self._remove(number)

    def _done(self, number: int) -> None:
        """One entry less is pending in segment ``number``."""
        segment = self._segments[number]
        segment.pending -= 1
        if not segment.pending and number != self._current:
            self._remove(number)

    def _remove(self, number: int) -> None:
        segment = self._segments.pop(number)
        _quietly(segment.path.unlink)
        faults.point("cache.segment_removed")

    def _switch_off(self, why: str) -> None:
        self._off = True
        self._rotate()
        if self._warn is not None:
            self._warn(
                f"the response cache is off for the rest of this run: {self._folder}: {why}. "
                "Nothing is lost; if this run is killed, more requests are made again"
            )


def _digest(key: str) -> bytes:
    return blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _header(data: bytes) -> tuple[int, int, int, int, bytes]:
    """(packed, bytes of JSON, bytes of body, CRC, digest); ValueError when damaged."""
    if len(data) != _HEADER.size:
        raise ValueError("cut header")
    magic, packed, meta_size, body_size, crc, digest, own = _HEADER.unpack(data)
    if magic != _MAGIC or zlib.crc32(data[:-4]) != own:
        raise ValueError("damaged header")
    return packed, meta_size, body_size, crc, digest


def _make_private(folder: Path) -> None:
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)


def _quietly(action: Callable[[], object]) -> None:
    with suppress(OSError):
        action()


def _zstd_error() -> type[Exception]:
    import zstandard

    return zstandard.ZstdError
