"""Every store keeps one contract; the folder also through a kill, the retrying one through lost answers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace.core.errors import CannotOpen, StorageFailed
from headrace.storage.contract import Store, Transient
from headrace.storage.folder import ASIDE, Folder
from headrace.storage.retry import ATTEMPTS, Retrying
from headrace.storage.s3 import Bucket

NAMES = ["a/b", "a-/b", "a/c/d", "a!2F/x=1/part-0001.jsonl", "z"]


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "folder":
        yield Folder(tmp_path / "root")
    else:
        server, bucket = request.getfixturevalue("s3_bucket")
        yield Bucket(bucket, "some/prefix", endpoint=server)


def test_an_object_is_made_once(store: Store) -> None:
    assert store.create("a/b", b"first")
    assert not store.create("a/b", b"second")
    assert store.get("a/b") == b"first"
    store.put("a/b", b"third")
    store.put("new", b"")
    assert (store.get("a/b"), store.get("new"), store.get("a"), store.get("none/there")) == (b"third", b"", None, None)


def test_listings_are_in_order_of_names(store: Store) -> None:
    assert list(store.scan("")) == []
    for name in NAMES:
        store.put(name, b"x" * len(name))
    assert [entry.name for entry in store.scan("")] == sorted(NAMES)
    assert [entry.name for entry in store.scan("a")] == ["a/b", "a/c/d"]
    assert [entry.name for entry in store.scan("", after="a/b")] == ["a/c/d", "z"]
    assert [(entry.size, entry.modified > 0) for entry in store.scan("z")] == []
    assert {entry.name: entry.size for entry in store.scan("a")} == {"a/b": 3, "a/c/d": 5}
    assert store.folders("") == ["a", "a!2F", "a-"]
    assert store.folders("a") == ["c"]
    assert store.folders("none") == []


def test_what_is_deleted_is_gone(store: Store) -> None:
    for name in NAMES:
        store.put(name, b"x")
    store.delete([*NAMES[:3], "never/was"])
    assert [entry.name for entry in store.scan("")] == sorted(NAMES[3:])


def test_of_many_at_once_one_makes_it(store: Store) -> None:
    gate, made = threading.Barrier(8), []

    def contend(number: int) -> None:
        gate.wait(30)
        if store.create("a/b", str(number).encode()):
            made.append(number)

    threads = [threading.Thread(target=contend, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(made) == 1
    assert store.get("a/b") == str(made[0]).encode()


def test_what_a_killed_writer_left_aside_is_no_object(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.put("a", b"x")
    (tmp_path / ASIDE / "left").write_bytes(b"half")
    assert [entry.name for entry in folder.scan("")] == ["a"]
    assert folder.folders("") == []
    assert folder.sweep(before=0) == 0
    assert folder.sweep(before=2**62) == 1
    assert not (tmp_path / ASIDE / "left").exists()


def test_a_folder_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    folder = Folder(tmp_path / "file")
    for write in (folder.create, folder.put):
        with pytest.raises(StorageFailed, match="cannot be written"):
            write("a", b"x")
    assert folder.get("a") is None


class Flaky:
    """A store whose operations fail before or after they are carried out."""

    def __init__(self, store: Store, failures: list[str]) -> None:
        self._store, self._failures = store, failures
        self.place, self.parallel = "flaky", 1

    def create(self, name: str, data: bytes) -> bool:
        failure = self._failures.pop(0) if self._failures else ""
        if failure == "before":
            raise Transient("reset")
        made = self._store.create(name, data)
        if failure == "after":
            raise Transient("the answer was lost")
        return made

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)


@pytest.mark.parametrize("failures", [["before"], ["after"], ["before", "after", "before"]], ids="-".join)
def test_a_lost_answer_is_no_loss(tmp_path: Path, failures: list[str]) -> None:
    store = Retrying(Flaky(Folder(tmp_path), list(failures)), sleep=lambda _: None)  # type: ignore[arg-type]  # by name
    assert store.create("a", b"mine")
    assert not Retrying(Folder(tmp_path)).create("a", b"mine"), "the first attempt knows nothing of others"


def test_somebody_else_s_object_is_not_taken_for_one_s_own(tmp_path: Path) -> None:
    Folder(tmp_path).put("a", b"theirs")
    store = Retrying(Flaky(Folder(tmp_path), ["before"]), sleep=lambda _: None)  # type: ignore[arg-type]  # by name
    assert not store.create("a", b"mine")
    again = Retrying(Flaky(Folder(tmp_path), ["after"]), sleep=lambda _: None)  # type: ignore[arg-type]  # by name
    assert not again.create("b", b"mine", recognise=False)


def test_after_some_attempts_it_is_given_up(tmp_path: Path) -> None:
    waits: list[float] = []
    store = Retrying(Flaky(Folder(tmp_path), ["before"] * 99), sleep=waits.append)  # type: ignore[arg-type]  # by name
    with pytest.raises(StorageFailed, match=f"in {ATTEMPTS} attempts: reset"):
        store.create("a", b"x")
    assert len(waits) == ATTEMPTS - 1
    assert all(wait >= 0 for wait in waits)


def test_a_bucket_that_is_not_there(s3_bucket: tuple[str, str]) -> None:
    store = Retrying(Bucket("no-such-bucket", endpoint=s3_bucket[0]))
    for operation in (lambda: store.create("a", b"x"), lambda: list(store.scan("")), lambda: store.folders("")):
        with pytest.raises(StorageFailed, match="there is no such bucket"):
            operation()


def test_a_server_that_is_not_there(s3_bucket: tuple[str, str]) -> None:
    store = Retrying(Bucket("lake", endpoint="http://127.0.0.1:1"), sleep=lambda _: None)
    with pytest.raises(StorageFailed, match="attempts") as error:
        store.get("a")
    assert "test-secret-of-s3" not in str(error.value)


def test_an_endpoint_that_is_none() -> None:
    with pytest.raises((CannotOpen, StorageFailed)):
        Retrying(Bucket("lake", endpoint="nonsense"), sleep=lambda _: None).get("a")


def test_credentials_of_a_profile(s3_bucket: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    (tmp_path / "credentials").write_text("[of-a-test]\naws_access_key_id = k\naws_secret_access_key = s\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_PROFILE", "of-a-test")
    server, bucket = s3_bucket
    assert Bucket(bucket, endpoint=server).create("a", b"x")
