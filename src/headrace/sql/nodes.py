"""What is asked of any node of the library's trees."""

from __future__ import annotations

import re
from typing import Any

from sqlglot import exp

from headrace.sql.read import MARK

Node = Any
"""A node whose copies and parts have no types."""


def title(node: exp.Expr) -> str:
    """What a person calls this construct, in capitals."""
    known = {"Lateral": "LATERAL", "JSONBExtract": "#>", "Bracket": "[…]", "Array": "ARRAY[…]", "Struct": "STRUCT",
             "Pad": "LPAD or RPAD", "DecodeCase": "DECODE"}  # fmt: skip
    if isinstance(node, exp.Anonymous):
        return str(node.this).upper()
    for key in ("bigquery_name", "name"):
        if isinstance(node.meta.get(key), str):
            return str(node.meta[key]).upper()
    if isinstance(node, exp.Func):
        return known.get(type(node).__name__) or node.sql_name()
    return known.get(type(node).__name__) or re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(node).__name__).upper()


def placed(made: exp.Expr, old: exp.Expr) -> exp.Expr:
    """``made``, which knows where in the text ``old`` stood."""
    made.meta.update({key: value for key, value in old.meta.items() if key != MARK})
    return made
