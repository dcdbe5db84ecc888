"""Who asks a service that needs keys."""

from __future__ import annotations

from typing import Any

import httpx


def client_of(running: Any, key: str) -> httpx.Client:
    return httpx.Client(base_url=running.url, timeout=60, headers={"Authorization": f"Bearer {key}"})


def made(admin: httpx.Client, **asked: Any) -> str:
    answer = admin.post("/keys", json=asked)
    assert answer.status_code == 201, answer.text
    key: str = answer.json()["key"]
    return key


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    return found
