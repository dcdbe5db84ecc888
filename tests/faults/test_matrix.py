"""Every fault of the sandbox in every paging style: the exact rows, or an end that is not `done`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.faults.conftest import SECRET, Crawl, Ending

from headrace.sandbox import Sandbox
from headrace.sandbox.faults import FAULTS
from headrace.sandbox.styles import all_styles

STYLES = [name for name in all_styles() if name != "error-in-200"]  # is itself a fault: below
MEANING = [name for name, fault in FAULTS.items() if fault.stage == "meaning"]
OTHERS = [name for name, fault in FAULTS.items() if fault.stage != "meaning"]
WIRE = [name for name, fault in FAULTS.items() if fault.stage == "wire"]

# "unseen" is done with rows missing, where nothing in the answers shows it.
_DUE: Mapping[str | None, set[str]] = {
    "exact": {"exact"},
    "failure": {"failure"},
    "exact or failure": {"exact", "failure"},
    "suspect": {"suspect", "failure"},
    None: {"exact", "failure", "suspect", "unseen"},
}
_DIFFERENT: Mapping[tuple[str, str], set[str]] = {
    # Each answer that was begun moves the server's place: what a retry gets is the page after. Its total shows it.
    **{(fault, "same-cursor"): {"exact", "suspect"} for fault in WIRE},
    # The file itself says that 404 is the end.
    ("status_404", "page-gaps"): {"unseen"},
    # The redirect adds a parameter that this endpoint refuses.
    ("redirect_same_origin", "exclusive-cursor"): {"failure"},
    # Its cursor is in the records, so it cannot vanish.
    ("vanishing_cursor", "last-id"): {"exact"},
    # The page that comes again is one that has no records, or there is only one.
    ("repeated_page", "post-body"): {"exact"},
    ("repeated_page", "whole"): {"exact"},
    # These declare pages, not records.
    ("drift_removal", "map-of-records"): {"unseen"},
    ("wrong_total", "map-of-records"): {"exact"},
    ("zero_rows", "map-of-records"): {"unseen"},
    # Total and page were declared of a list that is longer by now than what was begun.
    ("drift", "same-cursor"): {"exact", "suspect"},
}
_STAYS = frozenset({("wrong_total", "page-total"), ("vanishing_cursor", "offset-given")})
"""As with ``cursor_loop``, the place that was committed is wrong: only a new run helps."""


def allowed(fault: str, style: str) -> set[str]:
    return _DIFFERENT.get((fault, style)) or _DUE[FAULTS[fault].due(all_styles()[style].has)]


def some() -> list[tuple[str, str]]:
    """Every fault of meaning with every style, every other fault with three, every style with some."""
    few = [(fault, STYLES[(5 * at + 13 * k) % len(STYLES)]) for at, fault in enumerate(OTHERS) for k in range(3)]
    return [(fault, style) for fault in MEANING for style in STYLES] + few


@pytest.mark.parametrize(("fault", "style"), some())
def test_never_done_with_missing_rows(
    fault: str, style: str, sandbox: Sandbox, healthy: Mapping[str, Ending], tmp_path: Path
) -> None:
    check(fault, style, sandbox, healthy[style], tmp_path)


@pytest.mark.crash
@pytest.mark.parametrize("style", STYLES)
def test_the_whole_product(style: str, sandbox: Sandbox, healthy: Mapping[str, Ending], tmp_path: Path) -> None:
    for fault in OTHERS:
        sandbox.clear_faults()
        sandbox.reset()
        folder = tmp_path / fault
        folder.mkdir()
        check(fault, style, sandbox, healthy[style], folder)


def check(fault: str, style: str, sandbox: Sandbox, whole: Ending, folder: Path) -> None:
    crawl = Crawl(folder, sandbox, style)
    crawl.fault(fault)
    found = crawl.run()
    outcome = name(found, whole, fault)
    about = f"{fault} on {style}: {found}"
    assert outcome in allowed(fault, style), about
    assert SECRET not in found.text
    if outcome == "failure":
        assert found.exit_code == 1
        assert style in found.text or "step crawl" in found.text, about
    elif outcome == "suspect":
        assert found.exit_code == 3
        assert found.text.strip(), about
    if outcome == "failure" and FAULTS[fault].stage != "meaning":
        assert found.pages == whole.pages[: len(found.pages)], about
        assert found.appended == whole.appended[: len(found.appended)], about
    if outcome == "failure" and fault != "cursor_loop" and (fault, style) not in _STAYS and style != "same-cursor":
        sandbox.clear_faults()
        healed = crawl.run()
        assert name(healed, whole, fault) == "exact", f"{about}\nresumed: {healed}"


def name(found: Ending, whole: Ending, fault: str) -> str:
    if found.status != "done":
        return "failure" if found.status == "failed" else "suspect"
    if fault == "drift":  # what moved came twice: the key makes it one row
        return "exact" if found.merged >= whole.merged else "unseen"
    assert len(found.merged) == len(found.appended), "rows doubled"
    return "exact" if (found.appended, found.merged) == (whole.appended, whole.merged) else "unseen"


def test_an_error_inside_a_200_is_asked_for_again_by_the_next_call(sandbox: Sandbox, tmp_path: Path) -> None:
    """It was kept like any answer; a resume must not read it for ever."""
    crawl = Crawl(tmp_path, sandbox, "error-in-200")
    first = crawl.run()
    assert (first.status, first.exit_code, first.pages) == ("failed", 1, [10, 10])
    assert "step crawl, page 3: the answer reports an error at error: {'code': 1042" in first.text
    second = crawl.run()
    assert (second.status, second.pages) == ("done", [10, 10, 10, 10, 7])
    assert len(second.merged) == len(second.appended)


def test_an_expired_token_is_renewed(sandbox: Sandbox, tmp_path: Path) -> None:
    """The one fault that strikes no style."""
    sandbox.fault("token_expiry", **FAULTS["token_expiry"].example)
    crawl = Crawl(
        tmp_path,
        sandbox,
        "cursor-query",
        url=f"{sandbox.url}/oauth/records?limit=10",
        pagination={"type": "cursor", "param": "cursor", "response_path": "meta.next_cursor"},
        auth={
            "type": "oauth2",
            "token_url": f"{sandbox.url}/oauth/token",
            "provider": "SANDBOX",
        },
    )
    found = crawl.run(secrets={"SANDBOX": '{"client_id": "sandbox", "client_secret": "sandbox-secret"}'})
    assert found.status == "done", found
    assert sandbox.stats()["faults"]["token_expiry"] == 1
