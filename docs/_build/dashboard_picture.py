"""Run `headrace serve` against the sandbox and write what a browser shows in the middle of a run to ``docs/img/dashboard.png``.

    python docs/_build/dashboard_picture.py [chromium]
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from headrace.sandbox import Options, run_in_thread

ROOT = Path(__file__).parents[2]
HALF_WAY = 45.0


def asked(url: str, method: str = "GET") -> Any:
    with urllib.request.urlopen(urllib.request.Request(url, method=method)) as answer:
        return json.load(answer)


def until(progress: float, service: str) -> None:
    """Wait for the run to come this far, in percent."""
    while (asked(f"{service}/pipeline/status")["progress"] or 0.0) < progress:
        time.sleep(0.2)


def main(chromium: str) -> None:
    with run_in_thread(Options(titles=600)) as sandbox, tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "headrace", "serve", "--port", "0", "--state", f"{folder}/state",
                   "--rewrite", f"api.tvmaze.com={sandbox.url}"]  # fmt: skip
        with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            assert process.stdout is not None
            service = process.stdout.readline().split()[0]
            asked(f"{service}/pipeline/update", "POST")
            until(100.0, service)
            run = asked(f"{service}/pipeline/update", "POST")["request_id"]
            until(HALF_WAY, service)
            with sync_playwright() as play:
                browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
                page = browser.new_page(viewport={"width": 1100, "height": 900})
                page.goto(f"{service}/ui/runs/{run}")
                page.wait_for_selector("progress, [role=progressbar]")
                page.screenshot(path=ROOT / "docs/img/dashboard.png")
                browser.close()
            process.terminate()


if __name__ == "__main__":
    main(*sys.argv[1:] or ["/usr/bin/chromium"])
