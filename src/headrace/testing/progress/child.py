"""The other process of the progress contract: ``python -m headrace.testing.progress.child OPENER ADDRESS OWNER``.

It says ``ready``, waits for a line, claims until nothing is left and prints the ids as JSON.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from operator import attrgetter

from headrace.state.progress.contract import ProgressStore


def open_store(opener: str, address: str) -> ProgressStore:
    """Call ``module:attribute`` with ``address``."""
    module, _, name = opener.partition(":")
    store: ProgressStore = attrgetter(name)(import_module(module))(address)
    return store


def claim_all(store: ProgressStore, owner: str) -> list[str]:
    """The ids of every request that ``owner`` gets, until nothing is left."""
    found = []
    while (request := store.claim(owner, lease_seconds=3600)) is not None:
        found.append(request.request_id)
    return found


def main(opener: str, address: str, owner: str) -> None:
    store = open_store(opener, address)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    json.dump(claim_all(store, owner), sys.stdout)
    store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
