"""Where things lie in a staged destination.

::

    source=<table>/dt=2025-12-19/hour=15/batch_id=<run>/part-0001.jsonl
    _headrace/format.json
    _headrace/runs/<run>/run.json
    _headrace/runs/<run>/manifests/0000000001.json      numbered without gaps, never changed
    _headrace/runs/<run>/slices/<step>/…                the frozen slices
    _headrace/runs/<run>/lease/…                        who holds the run
    _headrace/started/<microseconds>-<run>              so that the latest runs are found
    _headrace/tables/<table>/…                          declarations, and which manifests changed columns
"""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256

ENGINE = "_headrace"
FORMAT = f"{ENGINE}/format.json"
RUNS = f"{ENGINE}/runs"
STARTED = f"{ENGINE}/started"
TABLES = f"{ENGINE}/tables"
_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")
_LONGEST = 160


def segment(text: str) -> str:
    """``text`` as one segment of a name, on any file system and in any bucket; another text is another segment."""
    plain = "".join(
        c if c in _PLAIN else "".join(f"!{byte:02X}" for byte in c.encode("utf-8", "surrogatepass")) for c in text
    )
    if plain.startswith("."):
        plain = "!2E" + plain[1:]
    if len(plain) > _LONGEST:
        digest = sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        return f"{plain[: _LONGEST - 18]}!!{digest}"
    return plain or "!"


def run_folder(run_id: str) -> str:
    return f"{RUNS}/{segment(run_id)}"


def manifest(run_id: str, number: int) -> str:
    return f"{run_folder(run_id)}/manifests/{number:010d}.json"


def table_folder(table: str) -> str:
    return f"{TABLES}/{segment(table)}"


def part(table: str, at: int, run_id: str, number: int, suffix: str) -> str:
    """A file of rows; ``at`` (microseconds since 1970) is the batch's day and hour."""
    moment = datetime.fromtimestamp(at / 1_000_000, UTC)
    return (
        f"source={segment(table)}/dt={moment:%Y-%m-%d}/hour={moment:%H}/batch_id={segment(run_id)}"
        f"/part-{number:04d}{suffix}"
    )


def part_number(path: str) -> int:
    """The number in a :func:`part`'s name."""
    return int(path.rpartition("/part-")[2].partition(".")[0])
