"""One page through the objects of a run, with nothing written and no secret shown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from headrace.core.contracts import Auth, CredentialRef, Secret
from headrace.core.errors import AuthRefused, InputError
from headrace.core.http import Request
from headrace.destinations import from_url
from headrace.inspect.preview import Preview, preview
from headrace.inspect.shown import show, show_signed
from headrace.pipeline.load import load
from headrace.sandbox.options import Options
from headrace.sandbox.thread import Sandbox, run_in_thread
from headrace.secrets.mask import Masker

SECRET = "tests-only-4711-secret"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with run_in_thread(Options(titles=60, records=45, api_key=SECRET)) as served:
        yield served


def pipeline(folder: Path, **config: Any) -> str:
    step = {"processor": "generic.api_extractor", "step": "fetch", "config": {"destination": {"table": "t"}, **config}}
    path = folder / "p.yml"
    path.write_text(yaml.safe_dump({"pipeline_id": "p", "steps": [step]}), encoding="utf-8")
    return str(path)


def look(source: str, sandbox: Sandbox, tmp_path: Path, secret: str = SECRET, **more: Any) -> Preview:
    loaded = load(
        source, params=more.pop("params", None), environ={"TOKEN": SECRET}, destination=f"duckdb:///{tmp_path}/x.db"
    )

    def find(reference: CredentialRef) -> Secret:
        return Secret(secret)

    found = preview(loaded, destination=from_url(loaded.destination), find_secret=find, **more)
    assert not (tmp_path / "x.db").exists(), "a preview makes no database"
    return found


def sapi(sandbox: Sandbox) -> dict[str, str]:
    return {"streaming-availability.p.rapidapi.com": sandbox.url}


def test_request_answer_rows_and_the_next_cursor(sandbox: Sandbox, tmp_path: Path) -> None:
    page = look("sapi", sandbox, tmp_path, rewrite=sapi(sandbox), rows=2)
    assert page.error is None
    assert page.request is not None
    assert dict(page.request.headers)["X-RapidAPI-Key"] == "***"
    assert SECRET not in repr(page)
    assert page.response is not None
    assert (page.response.status, page.records, page.goes_on) == (200, 20, True)
    assert page.next_cursor.startswith("20:")
    assert "hasMore is true" in page.why
    titles = page.tables[0]
    assert (titles.name, titles.count, len(titles.rows)) == ("sapi_titles", 20, 2)
    assert titles.columns["release_year"] == "int"


def test_an_answer_that_is_an_error_is_shown(sandbox: Sandbox, tmp_path: Path) -> None:
    source = pipeline(tmp_path, url=f"{sandbox.url}/nowhere")
    page = look(source, sandbox, tmp_path)
    assert page.error is not None
    assert (page.response and page.response.status) == 404
    assert page.tables == ()


def test_a_refused_key_is_shown_as_the_error_it_is(sandbox: Sandbox, tmp_path: Path) -> None:
    page = look("sapi", sandbox, tmp_path, secret="another-wrong-key", rewrite=sapi(sandbox))
    assert isinstance(page.error, AuthRefused)
    assert page.request is not None
    assert "another-wrong-key" not in repr(page)


def test_an_unknown_step_is_named(sandbox: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="did you mean 'crawl'"):
        look("sapi", sandbox, tmp_path, step="crawll")


def test_a_sliced_step_shows_its_first_slice(sandbox: Sandbox, tmp_path: Path) -> None:
    source = pipeline(
        tmp_path, url=f"{sandbox.url}/nowhere/{{slice.country}}", slices={"each": {"country": ["us", "de"]}}
    )
    page = look(source, sandbox, tmp_path)
    assert page.slice == "us"
    assert page.request is not None
    assert page.request.url.endswith("/nowhere/us")


def test_empty_slices_are_an_error(sandbox: Sandbox, tmp_path: Path) -> None:
    source = pipeline(
        tmp_path, url=f"{sandbox.url}/x/{{slice.start}}",
        slices={"dates": {"from": "2026-01-02", "to": "2026-01-02", "step": "1d"}},
    )  # fmt: skip
    with pytest.raises(InputError, match="nothing to ask"):
        look(source, sandbox, tmp_path)


class _Query(Auth):
    type: str = "query"

    def secret_params(self) -> frozenset[str]:
        return frozenset({"key2"})

    async def sign(self, request: Request, secret: Any, session: Any) -> Request:
        return request


def test_what_a_request_keeps_secret_is_hidden_wherever_it_stands() -> None:
    masker = Masker()
    masker.add("hunter2-long")
    request = Request(
        "POST", "https://me:pass-word@a.example/x?api_key=abc&key2=def&page=1", params=(("token", "t"), ("q", "a b")),
        headers=(("X-Env", "value-of-env"), ("Accept", "json"), ("X-Api-Key", "spelt out")),
        json={"password": "hunter2-long", "n": 1},
    )  # fmt: skip
    shown = show(request, {"X-Env": "{env.TOKEN}", "Accept": "json"}, _Query(), masker)
    assert shown.url.endswith("***@a.example/x?api_key=***&key2=***&page=1&token=***&q=a%20b")
    assert "pass-word" not in shown.url
    assert dict(shown.headers) == {"X-Env": "***", "Accept": "json", "X-Api-Key": "***"}
    assert "hunter2" not in shown.body
    assert '"n": 1' in shown.body


def test_whatever_signing_adds_is_hidden_however_short_and_whatever_its_name() -> None:
    unsigned = Request("GET", "https://a.example/x", headers=(("Accept", "json"), ("X-Who", "old")))
    signed = unsigned.with_headers([("X-Who", "ab1"), ("X-Plain", "xy2")])
    shown = show_signed(signed, unsigned, {}, None, Masker())
    assert dict(shown.headers) == {"Accept": "json", "X-Who": "***", "X-Plain": "***"}
