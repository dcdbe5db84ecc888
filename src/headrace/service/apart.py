"""What an organisation sends to the service writes into no table of another's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headrace.core.contracts import Destination
from headrace.core.errors import CannotOpen, DestinationBusy, NotAllowed
from headrace.core.tables import COMPANIONS
from headrace.inspect.rows import archived, filled, resolved_of_others

_BESIDE = ("", *COMPANIONS, "_staging")


def check_apart(resolved: Mapping[str, Any], destination: Destination, org: str) -> None:
    """Raises NotAllowed when a table that the ``resolved`` pipeline fills is, or is named like what stands beside, one
    that runs of other organisations fill, or their archive. Blocks."""
    fold = destination.capabilities().fold
    try:
        with destination.open(read_only=True) as session:
            theirs = resolved_of_others(session, org)
    except DestinationBusy:
        raise
    except CannotOpen as error:
        if "there is no" in error.message:  # the first run makes it
            return
        raise
    # Databases differ in whether case counts: here it never does.
    tables = {f"{name}{beside}".casefold() for each in theirs for name in filled(each, fold) for beside in _BESIDE}
    archives = {name.casefold() for each in theirs for name in archived(each)}
    mine = {f"{name}{beside}".casefold(): name for name in filled(resolved, fold) for beside in _BESIDE}
    taken = {mine[name] for name in mine.keys() & (tables | archives)}
    taken |= {name for name in archived(resolved) if name.casefold() in tables}
    if taken:
        raise NotAllowed(
            f"what was sent may not write into {', '.join(sorted(taken))}: this organisation's it is not",
            hint="choose other names for these tables, or another destination",
        )
