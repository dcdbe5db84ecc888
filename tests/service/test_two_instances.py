"""Two services on one store and one PostgreSQL: when one is killed, its runs go on in the other, each in one place."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from headrace.service.config import ServiceConfig
from headrace.state.progress.contract import ENDED, ProgressStore
from headrace.state.progress.open import open_progress

PATIENCE = 120.0


@dataclass
class Instance:
    """A process that serves."""

    process: subprocess.Popen[str]
    url: str

    def update(self, pipeline: str) -> str:
        answer = httpx.post(f"{self.url}/pipeline/update", json={"pipeline": pipeline}, timeout=PATIENCE)
        assert answer.status_code == 202, answer.text
        found: str = answer.json()["request_id"]
        return found

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def holds(self, owner: str) -> bool:
        return f":{self.process.pid}:" in owner


@dataclass
class Ground:
    """What the instances share, and how one is started."""

    folder: Path
    config: ServiceConfig
    destination: str
    store: ProgressStore
    started: list[Instance]

    def start(self, name: str) -> Instance:
        """A service with a state folder of its own, as on a machine of its own."""
        config = self.config.model_dump(mode="json", exclude_defaults=True)
        file = self.folder / f"{name}.yml"
        file.write_text(yaml.safe_dump(config | {"state": str(self.folder / name), "port": 0}))
        environ = {key: value for key, value in os.environ.items() if key not in ("REDIS_URL", "HEADRACE_STATE")}
        process = subprocess.Popen(
            [sys.executable, "-m", "headrace", "serve", "--config", str(file)],
            env=environ, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        found = next((match for line in process.stdout if (match := re.search(r"http://[\d.:]+", line))), None)
        assert found is not None, process.wait()
        instance = Instance(process, found[0])
        self.started.append(instance)
        return instance

    def until(self, ids: list[str], true: Callable[[list[Any]], bool]) -> list[Any]:
        end = time.monotonic() + PATIENCE
        while True:
            found = [self.store.get(request_id) for request_id in ids]
            if true(found):
                return found
            assert time.monotonic() < end, found
            time.sleep(0.02)


@pytest.fixture
def ground(
    request: pytest.FixtureRequest, tmp_path: Path, config: ServiceConfig, redis_url: str, postgres_url: str
) -> Iterator[Ground]:
    """On Redis, unless a test says ``postgresql``."""
    url = postgres_url if getattr(request, "param", "redis") == "postgresql" else redis_url
    shared = config.model_copy(
        update={"progress": url, "destinations": {"pg": postgres_url}, "lease_seconds": 2.0, "max_runs": 2}
    )
    with closing(open_progress(url)) as store:
        ground = Ground(tmp_path, shared, postgres_url, store, [])
        try:
            yield ground
        finally:
            for instance in ground.started:
                with suppress(ProcessLookupError):
                    instance.kill()
                assert instance.process.stdout is not None
                instance.process.stdout.close()


def test_the_runs_of_a_killed_instance_go_on_in_the_other(
    ground: Ground, tmp_path: Path, api: Any, pipeline_file: Any, rows: Any
) -> None:
    names = ["a", "b", "c", "d"]
    for name in names:
        pipeline_file(tmp_path / "pipelines", api.url, name, name=name)
    api.allow(2)
    one, two = ground.start("one"), ground.start("two")
    ids = [one.update(name) for name in names]
    held = ground.until(ids, lambda found: all(each.owner and each.pages == 2 for each in found))
    orphans = {each.pipeline for each in held if one.holds(each.owner)}
    assert len(orphans) == 2, "each takes two"
    assert {each.pipeline for each in held if two.holds(each.owner)} == set(names) - orphans
    one.kill()
    api.allow(None)
    ended = ground.until(ids, lambda found: all(each.status in ENDED for each in found))
    assert [(each.status, each.rows, each.progress) for each in ended if each.pipeline not in orphans] == [
        ("done", 50, 100.0)
    ] * 2
    assert [each.status for each in ended] == ["done"] * 4
    asked = Counter(api.asked)
    for name in names:
        counts = [asked[name, page] for page in range(1, 6)]
        # The third page was on its way when the process died, and is the only one that is asked for again.
        assert counts == ([1, 1, 2, 1, 1] if name in orphans else [1] * 5), name
        assert rows(ground.destination, f"SELECT id, name FROM {name} ORDER BY id") == [
            (number, f"{name} {number}") for number in range(50)
        ]
        assert rows(ground.destination, f"SELECT count(*) FROM {name}_raw_pages") == [(5,)]


@pytest.mark.service
@pytest.mark.parametrize("seed", range(int(os.environ.get("ROUNDS", "2"))))
@pytest.mark.parametrize("ground", ["redis", "postgresql"], indirect=True)
def test_killed_at_random_instants(
    ground: Ground, tmp_path: Path, api: Any, pipeline_file: Any, rows: Any, seed: int
) -> None:
    draw = random.Random(seed)
    api.pages = 150
    names = [f"list_{number}" for number in range(4)]
    for name in names:
        pipeline_file(tmp_path / "pipelines", api.url, name, name=name)
    instances = {name: ground.start(name) for name in ("one", "two")}
    ids = [draw.choice(list(instances.values())).update(name) for name in names]
    kills = 0
    while any((found := ground.store.get(each)) is None or found.status not in ENDED for each in ids) and kills < 12:
        time.sleep(draw.uniform(0.05, 1.0))
        name = draw.choice(list(instances))
        instances[name].kill()
        kills += 1
        instances[name] = ground.start(name)
    ended = ground.until(ids, lambda found: all(each.status in ENDED for each in found))
    assert [each.status for each in ended] == ["done"] * len(names)
    assert kills > 0
    for name in names:
        whole = [(number, f"{name} {number}") for number in range(api.pages * api.size)]
        assert rows(ground.destination, f"SELECT id, name FROM {name} ORDER BY id") == whole
        assert rows(ground.destination, f"SELECT count(*) FROM {name}_raw_pages") == [(api.pages,)]
        asked = Counter(page for each, page in api.asked if each == name)
        assert max(asked.values()) <= kills + 1
    print(f"seed {seed}: {kills} kills, {len(api.asked)} requests for {len(names) * api.pages} pages")
