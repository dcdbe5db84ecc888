"""How much memory DuckDB may use: little, so that a long crawl stays flat, and more where values are long."""

from __future__ import annotations

from collections import deque

USUAL = 96
"""MB that do for values of usual length: DuckDB fills with blocks what it is given."""
_VECTOR = 2048
"""DuckDB holds so many neighbouring values of a column in memory at once, when a checkpoint writes them again."""
_MB = 1 << 20


class Room:
    """What the longest stretch of a column so far needs. Nothing is taken back while the file is open, since any
    later checkpoint may have to read the same values again."""

    def __init__(self) -> None:
        self.megabytes = USUAL
        self._ends: dict[tuple[str, str], deque[tuple[int, int]]] = {}
        """Rows and bytes of each column's last writes, down to a vector's length."""

    def write(self, table: str, column: str, rows: int, size: int) -> None:
        """Values of so many bytes together are about to stand behind the column's others."""
        if not rows:
            return
        end = self._ends.setdefault((table, column), deque())
        end.append((rows, size))
        while sum(count for count, _ in end) - end[0][0] >= _VECTOR:
            end.popleft()
        stretch = sum(size * min(1.0, _VECTOR / count) for count, size in end)
        self._raise(24 + int(1.3 * stretch / _MB))
        self.read(size)

    def read(self, size: int) -> None:
        """Values of so many bytes are about to be read, or written, at once: several copies of them exist."""
        if size > USUAL * _MB // 3:
            self._raise(USUAL + 5 * size // _MB)

    def _raise(self, megabytes: int) -> None:
        self.megabytes = max(self.megabytes, megabytes)
