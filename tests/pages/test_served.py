"""Pages as they are sent: what they hold, what they forbid, what their forms do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from headrace.service.front import CONTENT_SECURITY_POLICY

pytestmark = pytest.mark.xdist_group("pages")

HOSTILE = "<script>"
PATHS = [
    "/", "/ui/runs", "/ui/runs?status=failed", "/ui/runs/state-running", "/ui/runs/state-failed", "/ui/pipelines",
    "/ui/pipelines/shows", "/ui/tables", "/ui/tables/warehouse/shows", "/ui/tables/warehouse/shows/why?key=id%3D3",
    "/ui/quality", "/ui/schedules", "/ui/login",
]  # fmt: skip


@pytest.fixture
def client(lived_in: Any) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=lived_in.url, timeout=60) as made:
        yield made


def text_of(html: str) -> str:
    """What a reader sees, more or less."""
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())


@pytest.mark.parametrize("path", PATHS)
def test_a_page_runs_nothing_of_its_own(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert "unsafe" not in answer.headers["content-security-policy"]
    scripts = re.findall(r"<script[^>]*>", answer.text)
    assert scripts
    assert all('src="/ui/static/' in script for script in scripts)
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", answer.text)
    assert not re.search(r'(src|href|action)="(https?:)?//', answer.text)


@pytest.mark.parametrize(
    "path",
    ["/ui/runs/state-running", "/ui/runs/state-failed", "/ui/tables/warehouse/shows",
     "/ui/tables/warehouse/shows/why?key=id%3D3"],
)  # fmt: skip
def test_hostile_values_are_text(client: httpx.Client, path: str) -> None:
    html = client.get(path).text
    assert "&lt;script&gt;document.title=" in html
    assert "<script>document" not in html


@pytest.mark.parametrize("value", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>'])
def test_what_an_address_says_is_text(client: httpx.Client, value: str) -> None:
    for path in (
        f"/ui/runs/{quote(value, safe='')}",
        f"/ui/runs?pipeline={quote(value)}",
        f"/ui/pipelines/{quote(value, safe='')}",
        f"/ui/tables?destination={quote(value)}",
        f"/ui/tables/warehouse/{quote(value, safe='')}",
        f"/ui/tables/warehouse/shows?column=id&value={quote(value)}",
        f"/ui/tables/warehouse/shows/why?key={quote(value)}",
    ):
        assert value not in client.get(path).text, path


def test_runs_are_found_by_page(client: httpx.Client) -> None:
    seen: list[str] = []
    path: str | None = "/ui/runs?pipeline=shows"
    while path:
        html = client.get(path).text
        seen += re.findall(r'href="/ui/runs/(past-\d+)"', html)
        older = re.search(r'rel="next" href="([^"]+)"', html)
        path = older[1].replace("&amp;", "&") if older else None
    assert seen == [f"past-{number:05}" for number in range(70)]


def test_a_run_says_what_to_do_next(client: httpx.Client) -> None:
    failed = text_of(client.get("/ui/runs/state-failed").text)
    assert "answered 500" in failed
    assert "What to do next: The API is failing: wait until it is well again, then resume." in failed
    suspect = text_of(client.get("/ui/runs/state-suspect").text)
    assert "declared 100,000 records and 69,726 came" in suspect
    assert "Accept as complete" in suspect


def test_rows_go_on_where_a_page_ends(client: httpx.Client) -> None:
    seen: list[str] = []
    path: str | None = "/ui/tables/warehouse/shows"
    while path:
        html = client.get(path).text
        seen += re.findall(r'<td class="cell num">(\d+)</td>', html)
        following = re.search(r'rel="next" href="([^"]+)"', html)
        path = following[1].replace("&amp;", "&") if following else None
    assert sorted(map(int, seen)) == list(range(120))


def test_the_record_is_marked_in_its_answer(client: httpx.Client) -> None:
    html = client.get("/ui/tables/warehouse/shows/why?key=id%3D119").text
    marked = re.search(r"<mark>(.*?)</mark>", html, re.DOTALL)
    assert marked is not None
    assert marked[1].startswith("{&#34;id&#34;: 119,")
    assert "cursor=80" in html
    assert len(html) < 60_000


def test_a_row_without_a_trace_says_so(client: httpx.Client) -> None:
    answer = client.get("/ui/tables/warehouse/shows/why?key=id%3D99999")
    assert answer.status_code == 200
    assert "has no row with id=99999" in answer.text


def test_quality_shows_the_latest_results(client: httpx.Client) -> None:
    html = text_of(client.get("/ui/quality").text)
    assert "2 of 3 passed" in html
    assert html.index("not_null_shows_summary") < html.index("unique_shows_id")


def test_what_is_held_back_can_be_rejected(opened: Any, api: Any) -> None:
    from functools import partial

    import headrace
    from headrace.destinations import from_url

    stage = opened()
    url = f"sqlite:///{stage.folder}/made.db"
    again = partial(headrace.run, stage.folder / "pipelines/shows.yml", destination=url, state=stage.folder / "state")
    for records in (120, 60):
        api.records = records
        held = again().run_id
    api.records = 120
    with httpx.Client(base_url=stage.url, timeout=60) as client:
        assert "60 of 120 rows" in client.get("/ui/tables").text
        form = {"destination": "warehouse", "table": "shows", "run_id": held, "decision": "reject"}
        assert client.post("/ui/removals", data=form).headers["location"] == "/ui/tables?destination=warehouse"
        assert "60 of 120 rows" not in client.get("/ui/tables").text
    with from_url(url).open(read_only=True) as session:
        assert [each.status for each in session.removals() if each.missing] == ["rejected"]


def test_a_form_of_another_site_is_refused(client: httpx.Client, lived_in: Any) -> None:
    path = "/ui/pipelines/shows/start"
    for headers in (
        {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ):  # fmt: skip
        assert client.post(path, data={}, headers=headers).status_code == 403
    assert client.post(path, data={"in.top": "x"}, headers={"Origin": lived_in.url}).status_code == 422


def test_a_form_that_does_not_fit_comes_back(client: httpx.Client) -> None:
    answer = client.post(
        "/ui/pipelines/shows/start", data={"in.top": "many", "in.country": "fr", "destination": "archive"}
    )
    assert answer.status_code == 422
    assert "expected a whole number" in answer.text
    assert 'value="fr"' in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert re.search(r"<option selected>archive", answer.text)


def test_a_run_is_started_watched_and_ends(opened: Any) -> None:
    stage = opened()
    with httpx.Client(base_url=stage.url, timeout=60) as client:
        form = {"in.country": "fr", "in.catalogs": ["", "hulu"], "in.filters": "a=1\nb=2", "in.adult": ["false", "true"],
                "in.since": "", "destination": "archive", "max_pages": ""}  # fmt: skip
        answer = client.post("/ui/pipelines/shows/start", data=form)
        assert answer.status_code == 303, answer.text
        run_id = answer.headers["location"].removeprefix("/ui/runs/")
        with client.stream("GET", f"/ui/runs/{run_id}/live") as stream:
            said = "".join(stream.iter_text())
        found = stage.wait_for(run_id)
        assert found.status == "done", found.error
        assert found.inputs == {
            "country": "fr", "catalogs": ["hulu"], "filters.a": "1", "filters.b": "2", "adult": "true"
        }  # fmt: skip
        assert "event: run\n" in said
        assert said.rstrip().endswith("event: ended\ndata: done")
        assert "120" in text_of(client.get(f"/ui/runs/{run_id}").text)
        assert "120" in text_of(client.get("/ui/tables?destination=archive").text)
        assert client.post(f"/ui/runs/{run_id}/cancel").status_code == 409


def test_a_suspect_run_is_accepted(opened: Any) -> None:
    stage = opened()
    with httpx.Client(base_url=stage.url, timeout=60) as client:
        answer = client.post("/ui/pipelines/doubtful/start", data={"destination": "warehouse"})
        run_id = answer.headers["location"].removeprefix("/ui/runs/")
        assert stage.wait_for(run_id).status == "suspect"
        assert client.post(f"/ui/runs/{run_id}/accept").status_code == 303
        # The step is accepted; the checks behind it have not been made.
        assert stage.wait_for(run_id, "partial", "failed").status == "partial"
        assert "What to do next: Resume it" in text_of(client.get(f"/ui/runs/{run_id}").text)
        assert client.post(f"/ui/runs/{run_id}/resume").status_code == 303
        assert stage.wait_for(run_id, "done", "failed").status == "done"
        assert client.post(f"/ui/runs/{run_id}/accept").status_code == 409


def test_schedules_are_made_run_paused_and_deleted(opened: Any) -> None:
    stage = opened()
    with httpx.Client(base_url=stage.url, timeout=60) as client:
        assert "Nothing is scheduled" in client.get("/ui/schedules").text
        form = {"name": "mornings", "pipeline": "shows", "cron": "0 6 * * *", "timezone": "Europe/Berlin",
                "destination": "archive", "inputs": "country=fr\ntop=5"}  # fmt: skip
        for wrong, said in (
            ({"cron": "every day"}, "cron"), ({"timezone": "Mars/North"}, "Mars/North"), ({"name": "a b"}, "a b"),
            ({"inputs": "colour=red"}, "unknown input"), ({"inputs": "oops"}, "oops"),
        ):  # fmt: skip
            answer = client.post("/ui/schedules", data={**form, **wrong})
            assert answer.status_code == 422
            assert said in answer.text
            assert 'value="Europe/Berlin"' in answer.text or "timezone" in wrong
        assert client.post("/ui/schedules", data=form).status_code == 303
        listed = text_of(client.get("/ui/schedules").text)
        assert "mornings" in listed
        assert "0 6 * * * Europe/Berlin" in listed
        path = "/ui/schedules/mornings"
        client.post(f"{path}/pause")
        assert "Paused" in text_of(client.get("/ui/schedules").text)
        client.post(f"{path}/go-on")
        assert "Paused" not in text_of(client.get("/ui/schedules").text)
        run = client.post(f"{path}/run").headers["location"]
        found = stage.wait_for(run.rpartition("/")[2])
        assert (found.status, found.destination, dict(found.inputs)) == (
            "done",
            "archive",
            {"country": "fr", "top": "5"},
        )
        client.post(f"{path}/delete")
        assert "Nothing is scheduled" in client.get("/ui/schedules").text
        assert client.post(f"{path}/delete").status_code == 404


def test_errors_are_pages(client: httpx.Client) -> None:
    for path in (
        "/ui/runs/nothing",
        "/ui/tables/warehouse/nothing",
        "/ui/tables/nowhere/shows",
        "/ui/pipelines/nothing",
    ):
        answer = client.get(path)
        assert answer.status_code in (404, 422)
        assert "What to do next:" in answer.text
        assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert client.get("/ui/runs?before=x").status_code == 422
