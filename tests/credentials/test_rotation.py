"""Rotation without a gap, and refresh tokens that are good for one use."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

import headrace
from headrace import credentials
from headrace.core.clock import SystemClock
from headrace.core.contracts import CredentialRef
from headrace.core.errors import CredentialError, SecretMissing
from headrace.core.http import Request, Response
from headrace.runner.secrets import OrgTokens, RunSecrets
from headrace.secrets.vault import Vault
from headrace.sources.auth.oauth2 import OAuth2Auth
from headrace.sources.http import AiohttpTransport
from headrace.sources.session import ClientSession
from headrace.state.store import StateStore
from headrace.testing.loopback import Asked, Reply, listening


def test_the_new_one_is_tried_before_the_old_one_goes(api: Any, home: Path) -> None:
    credentials.store("acme", "VENDOR", "key-number-one", hosts=["127.0.0.1"], check_url=f"{api.url}/items")
    with pytest.raises(CredentialError, match=r"was not put in force: .* answered 401") as caught:
        credentials.rotate("acme", "VENDOR", "key-that-is-wrong")
    assert "key-that-is-wrong" not in str(caught.value)
    assert [(c.version, c.status) for c in credentials.list_all()] == [(1, "active")]
    api.valid.add("key-number-two")
    after = credentials.rotate("acme", "VENDOR", "key-number-two")
    assert (after.version, after.validity, after.hosts) == (3, "valid", ("127.0.0.1",))
    assert [key for _, key in api.heard] == ["key-that-is-wrong", "key-number-two"]


def test_while_it_is_tried_the_old_one_is_found(api: Any, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    credentials.store("acme", "VENDOR", "key-number-one", check_url=f"{api.url}/items")
    found = []
    answer = api.answer

    def look(path: str, key: str) -> Any:
        with StateStore.open() as store:
            secret = Vault(store.credentials).find("acme", "VENDOR")
            found.append(secret and secret.value)
        api.valid.add("key-number-two")
        return answer(path, key)

    monkeypatch.setattr(api, "answer", look)
    credentials.rotate("acme", "VENDOR", "key-number-two")
    assert found == ["key-number-one"]


def test_one_that_cannot_be_tried_is_not_put_in_force(api: Any, home: Path) -> None:
    credentials.store("acme", "VENDOR", "key-number-one", check_url=f"{api.url}/broken")
    with pytest.raises(CredentialError, match="answered 500"):
        credentials.rotate("acme", "VENDOR", "key-number-two")
    assert credentials.rotate("acme", "VENDOR", "key-number-two", check=False).version == 3
    with pytest.raises(SecretMissing, match="headrace credentials set acme STRIPE"):
        credentials.rotate("acme", "stripe", "x")


def test_a_test_says_valid_invalid_or_unknown(api: Any, home: Path) -> None:
    for provider, value, path in (
        ("GOOD", "key-number-one", "/items"), ("BAD", "another-key", "/items"), ("LOST", "key-number-one", "/broken"),
    ):  # fmt: skip
        credentials.store("acme", provider, value, check_url=api.url + path)
    credentials.store("acme", "BARE", "key-number-one")
    found = {name: credentials.test("acme", name) for name in ("GOOD", "BAD", "LOST", "BARE")}
    assert {name: outcome.validity for name, outcome in found.items()} == {
        "GOOD": "valid", "BAD": "invalid", "LOST": "unknown", "BARE": "unknown",
    }  # fmt: skip
    assert {c.provider: c.validity for c in credentials.list_all()} == {
        name: outcome.validity for name, outcome in found.items()
    }
    assert "another-key" not in repr(found)
    with pytest.raises(SecretMissing):
        credentials.test("globex", "GOOD")


class Issuer:
    """Each refresh token is good for one use: it gives another. One that comes again is an intruder's."""

    def __init__(self) -> None:
        self.refresh, self.number, self.reused = "refresh-0", 0, 0
        self.url = ""
        self.lock = threading.Lock()
        self.asked = threading.Event()
        """The API was asked with a token."""
        self.hold = threading.Event()
        """Set: the API answers; else it keeps the client waiting."""
        self.hold.set()
        self.life = 3600
        """Seconds that an access token lives."""

    def token(self, form: dict[str, list[str]]) -> tuple[int, dict[str, Any]]:
        with self.lock:
            if form["refresh_token"] != [self.refresh]:
                self.reused += 1
                return 400, {"error": "invalid_grant"}
            self.number += 1
            self.refresh = f"refresh-{self.number}"
            return 200, {
                "access_token": f"access-{self.number}", "refresh_token": self.refresh, "expires_in": self.life,
            }  # fmt: skip


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    issuer = Issuer()

    def answer(asked: Asked) -> Reply:
        if asked.method == "POST":
            status, document = issuer.token(parse_qs(asked.body.decode()))
            return Reply.json(document, status)
        issuer.asked.set()
        issuer.hold.wait(60)
        return Reply.json({"items": [{"id": 1, "echo": "x"}]})

    with listening(answer) as issuer.url:
        yield issuer
        issuer.hold.set()


MEMBERS = {"client_id": "me", "client_secret": "a-client-secret", "refresh_token": "refresh-0"}


async def _signed(url: str, state: Path, barrier: threading.Barrier) -> str:
    """A request as a process of its own would sign it: nothing but the state folder is shared."""
    clock = SystemClock()
    transport = AiohttpTransport(clock)
    with StateStore.open(state) as store:
        vault = Vault(store.credentials)
        secret = RunSecrets("acme", {}, vault).find(CredentialRef("VENDOR"))
        session = ClientSession(clock, OrgTokens(store, "acme", vault), transport.send, lambda text: None)
        barrier.wait(60)
        try:
            auth = OAuth2Auth(provider="VENDOR", token_url=f"{url}/token")
            signed = await auth.sign(Request("GET", f"{url}/items"), secret, session)
        finally:
            await transport.close()
    return dict(signed.headers)["Authorization"]


def test_of_many_that_need_a_token_at_once_one_asks(issuer: Issuer, home: Path) -> None:
    credentials.store("acme", "VENDOR", MEMBERS)
    barrier = threading.Barrier(4)
    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(lambda: asyncio.run(_signed(issuer.url, home / "state", barrier))) for _ in range(4)]
        assert {job.result() for job in jobs} == {"Bearer access-1"}
    assert (issuer.number, issuer.reused) == (1, 0)


async def test_a_turn_that_is_never_given_up_ends_in_an_error(home: Path) -> None:
    class Hurried(SystemClock):
        async def sleep(self, seconds: float) -> None:
            await asyncio.sleep(0)

    async def send(request: Request) -> Response:
        raise AssertionError("it was not its turn")

    with StateStore.open() as store:
        tokens = OrgTokens(store, "acme", None)
        assert tokens.take_turn("t", "somebody")
        session = ClientSession(Hurried(), tokens, send, lambda text: None)
        with pytest.raises(headrace.HeadraceError, match="another process has been renewing"):
            async with session.alone("t"):
                raise AssertionError("it was not its turn")
        tokens.end_turn("t", "another")
        assert not tokens.take_turn("t", "another")
        tokens.end_turn("t", "somebody")
        async with session.alone("t"):
            assert not tokens.take_turn("t", "another")
        assert tokens.take_turn("t", "another")


def test_the_turn_of_a_process_that_was_killed_is_over(home: Path) -> None:
    program = (
        "from headrace.state.store import StateStore\n"
        "store = StateStore.open()\nprint(store.take_turn('t', 'child'), flush=True)\ninput()"
    )
    child = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "True\n"
        with StateStore.open() as store:
            assert not store.take_turn("t", "parent")
            child.send_signal(signal.SIGKILL)
            child.wait(60)
            assert store.take_turn("t", "parent")


def test_a_process_that_is_killed_once_it_has_a_token_loses_none(issuer: Issuer, pipeline: Any, home: Path) -> None:
    """The first refresh token is used up; only the state has the one that came for it."""
    credentials.store("acme", "VENDOR", MEMBERS, hosts=["127.0.0.1"])
    auth = {"type": "oauth2", "provider": "VENDOR", "token_url": f"{issuer.url}/token"}
    file = pipeline(auth=auth, url=f"{issuer.url}/items", pagination={"type": "none"})
    issuer.hold.clear()
    issuer.life = 0
    program = f"import headrace; headrace.run({str(file)!r}, org='acme', run_id='r')"
    child = subprocess.Popen([sys.executable, "-c", program])
    try:
        assert issuer.asked.wait(60)
    finally:
        child.kill()
        child.wait(60)
    issuer.hold.set()
    assert headrace.run(file, org="acme", run_id="r").status == "done"
    assert (issuer.number, issuer.reused) == (2, 0)
    assert b"refresh-" not in b"".join(p.read_bytes() for p in (home / "state").rglob("*") if p.is_file())
