"""How much memory DuckDB may use: little, so that a long crawl stays flat, and more where values are long."""

from __future__ import annotations

from collections import deque

USUAL = 32
"""MB that do for values of usual length: DuckDB fills with blocks what it is given."""
CHANGING = 192
"""MB for a commit that changes rows which stand, and for the checkpoint after it, which writes their row groups anew."""
BLOCKS = 16
"""MB, of those, that blocks are always in, and that are never given back."""
CHECKPOINT = 8
"""MB of log after which DuckDB writes a checkpoint."""
_VECTOR = 2048
"""DuckDB holds so many neighbouring values of a column in memory at once, when a checkpoint writes them."""
_MB = 1 << 20


class Room:
    """What the largest group and the longest stretch of a column so far need. Nothing is taken back while the file is
    open."""

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
        self._raise(16 + int(1.3 * stretch / _MB))
        self.read(size)

    def group(self, size: int) -> None:
        """Rows of so many bytes are about to be inserted at once, into a table that is written from memory."""
        self._raise(16 + int(1.2 * size / _MB))

    def change(self) -> None:
        """Rows that stand, anywhere in a table, are about to be changed."""
        self._raise(CHANGING)

    def short(self) -> None:
        """It did not do."""
        self._raise(max(CHANGING, 2 * self.megabytes))

    def read(self, size: int) -> None:
        """Values of so many bytes are about to be read, or written, at once: several copies of them exist."""
        if size > 32 * _MB:
            self._raise(96 + 5 * size // _MB)

    def sealed(self) -> None:
        """A checkpoint has been written: no later one writes the same values again, since new rows begin row groups
        of their own."""
        self._ends.clear()

    def _raise(self, megabytes: int) -> None:
        self.megabytes = max(self.megabytes, megabytes)
