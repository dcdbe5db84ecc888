"""An API that says what it was sent, and a pipeline that asks it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from headrace.testing.loopback import Asked, Reply, listening


class Api:
    """Takes the keys in ``valid`` as bearer tokens; gives two pages of items; ``/away`` leads to another origin."""

    def __init__(self) -> None:
        self.valid = {"key-number-one"}
        self.url = ""
        self.heard: list[tuple[str, str]] = []
        """(path, what stood behind ``Bearer``)"""

    @property
    def elsewhere(self) -> str:
        """The same server as another origin."""
        return self.url.replace("127.0.0.1", "localhost")

    def answer(self, path: str, key: str) -> tuple[int, dict[str, str], Any]:
        self.heard.append((path, key))
        if path.startswith("/away"):
            return 302, {"Location": f"{self.elsewhere}/open"}, {}
        if path.startswith("/open"):
            return 200, {}, {"items": []}
        if path.startswith("/broken"):
            return 500, {}, {"sorry": key}
        if key not in self.valid:
            return 401, {}, {"error": f"bad key {key}"}
        last = "page=2" in path
        return 200, {}, {"items": [{"id": 2 if last else 1, "echo": key}], "next": None if last else 2}


@pytest.fixture
def api() -> Iterator[Api]:
    served = Api()

    def answer(asked: Asked) -> Reply:
        key = (asked.headers.get("Authorization") or "").removeprefix("Bearer ")
        status, headers, document = served.answer(asked.target, key)
        return Reply.json(document, status, headers)

    with listening(answer) as served.url:
        yield served


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with a state and a key of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HEADRACE_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("HEADRACE_ORG", "HEADRACE_KEY_SERVICE", "VENDOR_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


Write = Callable[..., Path]


@pytest.fixture
def pipeline(home: Path, api: Api) -> Write:
    """Write a file of one extract step, with steps before it and keys of its config as given."""

    def write(*before: dict[str, Any], name: str = "vendor.yml", **config: Any) -> Path:
        step = {
            "url": f"{api.url}/items",
            "auth": {"type": "bearer", "provider": "VENDOR"},
            "pagination": {"type": "cursor", "param": "page", "response_path": "next"},
            "data_path": "items",
            "rate_limit": {"requests_per_second": 1000, "max_retries": 0},
            "tables": [
                {
                    "table": "items",
                    "key": ["org", "id"],
                    "columns": {
                        "org": {"value": "{org_slug}"},
                        "id": "id",
                        "echo": "echo",
                    },
                }
            ],
            **config,
        }
        extract = {"step": "extract", "processor": "generic.api_extractor", "config": step}
        path = home / name
        document = {"pipeline_id": "vendor", "destination": "sqlite:///vendor.db", "steps": [*before, extract]}
        path.write_text(json.dumps(document), encoding="utf-8")
        return path

    return write
