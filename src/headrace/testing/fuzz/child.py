"""The process that fuzzes one target: ``child TARGET CORPUS [libFuzzer options]``."""

from __future__ import annotations

import hashlib
import sys
import tempfile
from pathlib import Path


def main() -> None:
    import atheris

    with atheris.instrument_imports(include=["headrace", "email", "csv", "urllib"]):
        from headrace.testing.fuzz import targets

    target = targets.TARGETS[sys.argv[1]]
    corpus = Path(sys.argv[2])
    for seed in target.seeds:
        (corpus / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)
    with tempfile.NamedTemporaryFile("w", suffix=".dict") as words:
        for word in target.words:
            words.write('"' + "".join(f"\\x{byte:02x}" for byte in word.encode()) + '"\n')
        words.flush()
        options = [f"-dict={words.name}"] if target.words else []
        atheris.Setup([sys.argv[0], *sys.argv[2:], *options], target.run)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
