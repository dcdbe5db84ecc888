"""The example pipelines under every fault of the sandbox: the exact rows, or an end that is not `done`."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from tests.faults.conftest import SECRET, QuickClock

import headrace
from headrace import pipelines
from headrace.core.errors import HeadraceError
from headrace.sandbox import Options, Sandbox, run_in_thread
from headrace.sandbox.faults import FAULTS

RECORDS = 430
"""Five pages of 100, the last of 30."""


@dataclass(frozen=True)
class Example:
    host: str
    table: str
    params: Mapping[str, str]
    has: frozenset[str]
    """What its file makes use of (``Style.has``)."""
    provider: str = ""
    made: str = ""
    """The table that SQL makes of all its rows."""


EXAMPLES = {
    "hubspot": Example("api.hubspot.com", "hubspot_contacts_raw", {}, frozenset({"cursor"})),
    "stripe": Example(
        "api.stripe.com",
        "stripe_transactions_raw",
        {"start_date": "2025-12-01", "end_date": "2026-01-01"},
        frozenset(),
    ),
    "github": Example("api.github.com", "github_repos_raw", {"org_name": "acme"}, frozenset({"cursor", "positional"})),
    "vendor": Example(
        "api.vendor.com", "vendor_data_raw", {}, frozenset({"cursor"}), "vendor_api", "vendor_data_transformed"
    ),
}
MEANING = [name for name, fault in FAULTS.items() if fault.stage == "meaning"]
OTHERS = [name for name, fault in FAULTS.items() if fault.stage != "meaning"]
_DUE: Mapping[str | None, set[str]] = {
    "exact": {"exact"},
    "failure": {"failure"},
    "exact or failure": {"exact", "failure"},
    "suspect": {"suspect", "failure"},
}
_DIFFERENT: Mapping[tuple[str, str], set[str]] = {
    # Its cursor is in the records, and its end an empty page: no link and no flag can mislead it. A flag that is
    # still up at the end is told of.
    ("cursor_loop", "stripe"): {"suspect"},
    ("vanishing_cursor", "stripe"): {"exact"},
    ("wrong_has_more", "stripe"): {"exact"},
    # An empty page that says has_more is no end.
    ("zero_rows", "stripe"): {"suspect"},
    # It takes no parameter that it does not know.
    ("redirect_same_origin", "stripe"): {"failure"},
    # It names no flag, but what looks like the end was a full page, or had a last page elsewhere.
    ("vanishing_cursor", "hubspot"): {"suspect"},
    ("vanishing_cursor", "github"): {"suspect"},
    # Its cursor is null at the end, and its file names no page size: it looks as every end does.
    ("vanishing_cursor", "vendor"): {"unseen"},
    # No total, no flag is declared that could be wrong.
    **{
        (fault, name): {"exact"}
        for fault in ("wrong_total", "wrong_has_more")
        for name in ("hubspot", "github", "vendor")
    },
    ("wrong_total", "stripe"): {"exact"},
    # A page without records whose way on is right: nothing shows it, and some APIs do that.
    ("zero_rows", "hubspot"): {"unseen"},
    ("zero_rows", "github"): {"unseen"},
    ("zero_rows", "vendor"): {"unseen"},
    # Asked by page number, and no total: the records that moved to the page before are not seen again.
    ("drift_removal", "github"): {"unseen"},
}
_STAYS = frozenset({("cursor_loop", name) for name in ("hubspot", "github", "vendor")})
"""The place that was committed is wrong: only a new run helps."""
_MAY_NOT_STRIKE = frozenset({"token_expiry", "token_bucket", "fixed_window"})
"""No token of this kind is issued, or the client is slow enough."""


@pytest.fixture(scope="module")
def server() -> Iterator[Sandbox]:
    with run_in_thread(Options(records=RECORDS)) as found:
        yield found


@pytest.fixture
def sandbox(server: Sandbox) -> Iterator[Sandbox]:
    yield server
    server.clear_faults()


@dataclass(frozen=True)
class Ending:
    status: str
    exit_code: int
    text: str
    records: list[str]
    """Each record's own text, in order."""
    pages: list[int]


def crawl(name: str, folder: Path, sandbox: Sandbox, fault: str = "") -> Ending:
    example = EXAMPLES[name]
    file: str | Path = name
    if "hang" in fault:  # the file's minute is too long for a test: all else stays as it is
        file = folder / f"{name}.yml"
        text = pipelines.read(name).decode().replace("      destination:", "      timeout: 0.4\n      destination:")
        file.write_text(text)
    database = folder / f"{name}.sqlite"
    status, code, said = "failed", 1, ""
    try:
        result = headrace.run(
            file,
            params=example.params,
            destination=f"sqlite:///{database}",
            state=folder / "state",
            run_id="one",
            secrets={example.provider or name: SECRET},
            rewrite={example.host: sandbox.url},
            clock=QuickClock(),
        )
        status, code, said = result.status, result.exit_code, f"{result.error}\n{list(result.suspicions)}"
    except HeadraceError as error:
        code, said = error.exit_code, str(error)
    with closing(sqlite3.connect(database)) as landed:
        there = landed.execute("SELECT name FROM sqlite_master WHERE name = ?", [example.table]).fetchall()
        rows: list[Any] = []
        if there:
            rows = landed.execute(f"SELECT raw_data, _page FROM {example.table} ORDER BY _page, _record").fetchall()
        if example.made and status == "done":
            of_the_day = "date(extracted_at) = (SELECT date(now) FROM headrace_runs)"
            due = landed.execute(f"SELECT count(*) FROM {example.table} WHERE {of_the_day}").fetchone()
            assert landed.execute(f"SELECT count(*) FROM {example.made}").fetchone() == due
    counts: dict[int, int] = {}
    for _, page in rows:
        counts[page] = counts.get(page, 0) + 1
    return Ending(status, code, said, [text for text, _ in rows], list(counts.values()))


@pytest.fixture(scope="module")
def healthy(server: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Any:
    @cache
    def of(name: str) -> Ending:
        server.clear_faults()
        server.reset()
        found = crawl(name, tmp_path_factory.mktemp(name), server)
        assert (found.status, len(set(found.records))) == ("done", RECORDS)
        return found

    return of


def some() -> list[tuple[str, str]]:
    """Every fault of meaning with every example, every other fault with one of them."""
    names = list(EXAMPLES)
    few = [(fault, names[at % len(names)]) for at, fault in enumerate(OTHERS)]
    return [(fault, name) for fault in MEANING for name in names] + few


@pytest.mark.parametrize(("fault", "name"), some())
def test_never_done_with_missing_rows(fault: str, name: str, sandbox: Sandbox, healthy: Any, tmp_path: Path) -> None:
    check(fault, name, sandbox, healthy(name), tmp_path)


@pytest.mark.crash
@pytest.mark.parametrize("name", EXAMPLES)
def test_the_whole_product(name: str, sandbox: Sandbox, healthy: Any, tmp_path: Path) -> None:
    whole = healthy(name)
    for fault in OTHERS:
        folder = tmp_path / fault
        folder.mkdir()
        check(fault, name, sandbox, whole, folder)


def check(fault: str, name: str, sandbox: Sandbox, whole: Ending, folder: Path) -> None:
    sandbox.clear_faults()
    sandbox.reset()
    sandbox.fault(fault, **{"path": "/*", **FAULTS[fault].example})
    found = crawl(name, folder, sandbox, fault)
    assert sandbox.stats()["faults"].get(fault) or fault in _MAY_NOT_STRIKE
    outcome = outcome_of(found, whole, fault)
    about = f"{fault} on {name}: {outcome}: {found.status} {found.text}, pages {found.pages}"
    due = _DIFFERENT.get((fault, name)) or _DUE[FAULTS[fault].due(EXAMPLES[name].has)]
    assert outcome in due, about
    assert SECRET not in found.text
    assert SECRET not in json.dumps(found.records)
    if outcome == "failure":
        assert found.exit_code == 1
        assert EXAMPLES[name].host in found.text or "step extract_" in found.text, about
        if FAULTS[fault].stage != "meaning":
            assert found.records == whole.records[: len(found.records)], about
        if (fault, name) not in _STAYS:
            sandbox.clear_faults()
            healed = crawl(name, folder, sandbox, fault)
            assert outcome_of(healed, whole, fault) == "exact", f"{about}\nresumed: {healed.status} {healed.text}"
    elif outcome == "suspect":
        assert found.exit_code == 3
        assert found.text.strip(), about


def outcome_of(found: Ending, whole: Ending, fault: str) -> str:
    if found.status != "done":
        return "failure" if found.status == "failed" else "suspect"
    if fault == "drift":  # what moved came twice: this form has no key to merge by
        return "exact" if set(found.records) >= set(whole.records) else "unseen"
    if fault == "echo_key":  # struck out of the records as well
        return "exact" if len(set(found.records)) == len(whole.records) else "unseen"
    return "exact" if found.records == whole.records else "unseen"
