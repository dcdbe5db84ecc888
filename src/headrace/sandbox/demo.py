"""``make demo``: a crawl is killed half way and goes on, and nothing is lost, doubled or asked for again.

Everything happens through the command line, as a user would do it, in ``build/demo``.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

from headrace.sandbox.catalogue import expected
from headrace.sandbox.options import Options

FOLDER = Path("build/demo")
TITLES = 1_200
HOST = "streaming-availability.p.rapidapi.com"
TABLES = ("sapi_raw_pages", "sapi_titles", "sapi_offers", "sapi_offer_variants", "sapi_offers_history", "sapi_assets")


def say(text: str = "") -> None:
    print(text, flush=True)  # noqa: T201 - the demo's output


def main() -> int:
    """Run the whole story; 0 when what landed is what an undisturbed crawl would have landed."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    os.environ |= {"HEADRACE_STATE": str(FOLDER / "state"), "SAPI_API_KEY": "any-key-will-do-for-the-sandbox"}
    sandbox = subprocess.Popen(
        [sys.executable, "-m", "headrace.sandbox", "--port", "0", "--titles", str(TITLES)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert sandbox.stdout is not None
        url = sandbox.stdout.readline().strip()
        return story(url)
    finally:
        sandbox.terminate()
        sandbox.wait()


def story(url: str) -> int:
    """Crawl, kill, resume, look."""
    database = f"duckdb:///{FOLDER}/headrace.duckdb"
    pages = TITLES // 20
    say(f"A local stand-in of the Streaming Availability API serves {TITLES:,} titles at {url}.")
    say()
    crawl = [
        *headrace("run", "sapi"), "--run-id", "demo", "--destination", database, "--rewrite", f"{HOST}={url}",
    ]  # fmt: skip
    say(f"$ headrace run sapi --run-id demo --destination {database} --rewrite {HOST}={url}")
    process = subprocess.Popen(crawl)
    while process.poll() is None and stats(url)["requests"] < pages // 2:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = stats(url)["requests"]
    say(f"\n\n  kill -9, on purpose, after {before} requests.\n")

    say(f"$ headrace resume demo --rewrite {HOST}={url}")
    again = subprocess.run(
        [*headrace("resume", "demo"), "--rewrite", f"{HOST}={url}", "--json"], stdout=subprocess.PIPE, text=True
    )
    if again.returncode:
        say(again.stdout)
        return again.returncode
    result = json.loads(again.stdout)
    counts = {table: rows(database, table) for table in TABLES}
    asked = stats(url)
    say()
    due = undisturbed(pages)
    say("What landed, and what a crawl that nothing disturbs has to land:")
    for table, count in counts.items():
        say(f"  {table:<22}{count:>8,} of {due[table]:>6,} rows")
    say()
    say(f"  {pages} pages of the API, {asked['requests']} requests in all:")
    say(f"    {before} before the kill, {result['requests']} after it")
    say(
        f"    {before - asked['repeated']} pages were not fetched again, {asked['repeated']} {plural(asked['repeated'])}"
    )
    say(f"    ({result['cached']} of them had been answered but not yet committed: their answers were kept on disk)")
    say()
    say("Three things to try next:")
    say(
        f'  .venv/bin/headrace query --destination {database} "SELECT service_id, count(*) FROM sapi_offers GROUP BY 1"'
    )
    say(f"  .venv/bin/headrace why sapi_titles 1000 --destination {database}     # the very bytes behind a row")
    say("  .venv/bin/headrace new my_api.yml                                    # a pipeline for your own API")
    wrong = {table: count for table, count in due.items() if counts[table] != count}
    for table, count in wrong.items():
        say(f"\nSomething is wrong: {table} has {counts[table]:,} rows, an undisturbed crawl gives {count:,}.")
    return int(bool(wrong))


def undisturbed(pages: int) -> dict[str, int]:
    """What a crawl that nothing disturbs has to land."""
    due = expected(Options().seed, "us", TITLES)
    return {
        "sapi_raw_pages": pages,
        "sapi_titles": due["shows"],
        "sapi_offers": due["offers"],
        "sapi_offer_variants": due["variants"],
        "sapi_offers_history": due["offers"],
        "sapi_assets": due["assets"],
    }


def plural(repeated: int) -> str:
    return "was in flight when the process died" if repeated == 1 else "were in flight when the process died"


def headrace(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "headrace", *arguments]


def stats(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{url}/__stats") as answer:  # noqa: S310 - the sandbox of this process
        found: dict[str, Any] = json.load(answer)
        return found


def rows(database: str, table: str) -> int:
    sql = f"SELECT count(*) AS n FROM {table}"
    out = subprocess.run(
        [*headrace("query", "--destination", database, "--format", "json"), sql],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return int(json.loads(out.stdout)[0]["n"])


if __name__ == "__main__":
    sys.exit(main())
