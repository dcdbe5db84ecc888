"""The paging that names alone make likely, where no request can be made."""

from __future__ import annotations

import re
from typing import Any

from headrace.discover.places import CURSORS, LAST_KEYS, OFFSETS, PAGES, params_for
from headrace.discover.values import BACK, CURSOR, FLAG, TOTAL, around


def named(document: Any, path: str, offered: list[str]) -> tuple[dict[str, Any], str]:
    """The paging that the names of an answer and of the parameters that an operation offers make likely, and why."""
    values = [
        v for v in around(document, path) if isinstance(v.value, str | int | float) and not isinstance(v.value, bool)
    ]
    flag = next((v for v in around(document, path) if v.value is True and FLAG.fullmatch(v.name)), None)
    told = {"more_path": flag.text} if flag is not None else {}
    for one in values:
        if not CURSOR.fullmatch(one.name) or BACK.fullmatch(one.name):
            continue
        for param in dict.fromkeys([*params_for(one.name), *(name for name in offered if name in CURSORS)]):
            if param in offered and param not in (*PAGES, *OFFSETS):
                return {"type": "cursor", "param": param, "response_path": one.text, **told}, (
                    f"{one.text} of the answer and the parameter {param} go together"
                )
    last = next((name for name in LAST_KEYS if name in offered), None)
    if last is not None and flag is not None and path and "*" not in path:
        config = {"type": "cursor", "param": last, "response_path": f"{path}.-1.id", **told}
        return config, f"there is a parameter {last}, and {flag.text} says whether there is more"
    pages, offsets = ([name for name in offered if name in names] for names in (PAGES, OFFSETS))
    total = next(
        (
            v
            for v in values
            if isinstance(v.value, int | float) and "total" in v.name.lower() and TOTAL.fullmatch(v.name)
        ),
        None,
    )
    end = {**told, **({"total_path": total.text} if total is not None else {})}
    if pages:
        return {"type": "page", "param": pages[0], **end}, f"there is a parameter {pages[0]}"
    if offsets:
        return {"type": "offset", "param": offsets[0], **end}, f"there is a parameter {offsets[0]}"
    link = next(
        (
            v
            for v in values
            if isinstance(v.value, str) and re.fullmatch(r"next(?:[-_]?(?:link|url|href))?", v.name, re.IGNORECASE)
        ),
        None,
    )
    if link is not None:
        return {"type": "link", "response_path": link.text}, f"{link.text} may hold the link to the next page"
    return {"type": "none"}, "neither the parameters nor the answer speak of pages"
