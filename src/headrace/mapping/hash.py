"""The hash that tells a changed row from an unchanged one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any


def row_hashes(names: Sequence[str], rows: Iterable[Sequence[Any]], *, skip_nulls: bool) -> list[str]:
    """md5 of each row as JSON with sorted keys, non-ASCII kept; values as ``json.loads`` gives them.

    ``skip_nulls`` for tables whose columns come and go: a new column leaves the hash of the rows
    without it as it was.
    """
    found = []
    for values in rows:
        row = dict(zip(names, values, strict=True))
        if skip_nulls:
            row = {name: value for name, value in row.items() if value is not None}
        text = json.dumps(row, sort_keys=True, ensure_ascii=False)
        found.append(hashlib.md5(text.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest())
    return found
