"""What is refused for the form of the query, before any rule looks at its parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from headrace.sql.nodes import title

if TYPE_CHECKING:
    from headrace.sql.portable import Rewriting

_SELECTS = ("laterals", "pivots", "connect", "match", "windows", "sort", "cluster", "distribute", "sample")
_TABLES = ("pivots", "sample", "version", "when", "ordinality", "partition")
"""Clauses of a SELECT and of a table, as the library names them."""


def refuse_shapes(rw: Rewriting, tree: exp.Query) -> None:
    """Raises SqlProblem for the first of them."""
    for node in tree.walk():
        cut = isinstance(node, exp.Query) and (node.args.get("limit") or node.args.get("offset"))
        if cut and not node.args.get("order") and not isinstance(node.parent, exp.Exists):
            raise rw.refuse(cut, "LIMIT without ORDER BY", "which rows it gives is chance")
        if isinstance(node, exp.Select):
            if node.args.get("kind"):
                raise rw.refuse(node, f"SELECT AS {node.args['kind']}")
            for key in _SELECTS:
                if node.args.get(key):
                    raise rw.refuse(node, f"SELECT … {key.upper()}")
        elif isinstance(node, exp.Collate):
            raise rw.refuse(node)
        elif isinstance(node, exp.TableFromRows):
            raise rw.refuse(node, "TABLE(…)", "write , LATERAL FLATTEN(input => …) f")
        elif isinstance(node, exp.Table):
            for key in _TABLES:
                if node.args.get(key):
                    raise rw.refuse(node, key.upper().removesuffix("S"))
            if not isinstance(node.this, exp.Identifier):
                raise rw.refuse(node.this, f"the table function {title(node.this)}")
        elif isinstance(node, exp.Group) and (node.args.get("all") or node.args.get("totals")):
            raise rw.refuse(node, "GROUP BY ALL")
        elif isinstance(node, exp.Rollup | exp.Cube | exp.GroupingSets):
            raise rw.refuse(node, f"GROUP BY {title(node)}")
        elif isinstance(node, exp.Limit | exp.Fetch) and not isinstance(node.parent, exp.Query):
            raise rw.refuse(node, "LIMIT inside an aggregate")
        elif isinstance(node, exp.Join) and (node.method or node.kind in ("SEMI", "ANTI", "STRAIGHT")):
            raise rw.refuse(node, f"{node.method or node.kind} JOIN")
        elif isinstance(node, exp.Join) and isinstance(node.this, exp.Lateral):
            raise rw.refuse(node.this)
        elif isinstance(node, exp.Star) and node.args.get("rename"):
            raise rw.refuse(node, "* RENAME")
