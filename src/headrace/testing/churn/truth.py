"""What counts as removed, by definition, from nothing but which records each crawl was given.

A record *belongs* to a scope once a crawl of it was given the record. A complete crawl *misses* a record of its scope
that it was not given, unless another crawl was given it after this one began: what was there later says nothing about
before. Any crawl that is given the record, complete or not, ends its absence. The record is *gone* from the scope when
so many complete crawls in a row missed it as the table asks for, and the guard let it pass or a person confirmed
it: a crawl is held back that found too large a share of the scope gone, or could not store all that it was given.
A record is removed when it is gone from every scope that it belongs to.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass
class Belonging:
    """One record in one scope: when it was last given, and what was missed since."""

    given_at: int
    missed: int = 0
    gone: bool = False


@dataclass
class Truth:
    after: int
    max_share: float
    scopes: dict[str, dict[int, Belonging]] = field(default_factory=dict)

    def given(self, scope: str, ids: Iterable[int], at: int) -> None:
        """A crawl of ``scope`` was given these at that moment, and they were stored."""
        known = self.scopes.setdefault(scope, {})
        for id in ids:
            before = known.get(id)
            known[id] = Belonging(max(at, before.given_at) if before else at)

    def complete(self, scope: str, given: set[int], began: int, *, unsure: bool) -> set[int]:
        """A crawl is complete that began then; ``unsure``: it could not store all that it was given. What is held back."""
        known = self.scopes.get(scope, {})
        there = {id: each for id, each in known.items() if not each.gone}
        missed = {id for id, each in there.items() if id not in given and each.given_at < began}
        for id in missed:
            there[id].missed += 1
        missing = {id for id in missed if there[id].missed >= self.after}
        if missing and (unsure or len(missing) > self.max_share * len(there)):
            return missing
        for id in missing:
            there[id].gone = True
        return set()

    def confirm(self, scope: str, given: set[int], began: int) -> None:
        """A person says that what this crawl did not see is gone: of that, what has been missed often enough."""
        for id, each in self.scopes.get(scope, {}).items():
            if id not in given and each.given_at < began and each.missed >= self.after:
                each.gone = True

    def removed(self) -> set[int]:
        every = {id for known in self.scopes.values() for id in known}
        return {id for id in every if all(known[id].gone for known in self.scopes.values() if id in known)}
