"""``import headrace`` and ``--help`` stay light: heavy libraries are loaded by what uses them."""

import subprocess
import sys

import pytest

HEAVY = ("pydantic", "duckdb", "pyarrow", "aiohttp", "msgspec", "psycopg", "rich", "structlog", "yaml", "sqlite3")


def loaded_by(program: str) -> set[str]:
    out = subprocess.run(
        [sys.executable, "-c", f"{program}\nimport sys; print(*sys.modules, file=sys.stderr)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return {name.partition(".")[0] for name in out.stderr.split()}


@pytest.mark.parametrize(
    "program",
    [
        "import headrace; dir(headrace); headrace.__version__",
        "import headrace.cli, sys; sys.argv = ['headrace', '--help']\ntry: headrace.cli.main()\nexcept SystemExit: pass",
    ],
    ids=["import", "help"],
)
def test_nothing_heavy_is_loaded(program: str) -> None:
    assert loaded_by(program) & set(HEAVY) == set()


def test_the_public_names_are_there() -> None:
    import headrace

    for name in headrace.__all__:
        assert getattr(headrace, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        headrace.nothing  # noqa: B018  # reading it is the test


def test_the_command_line_gives_arrows_memory_back() -> None:
    program = (
        "import headrace.cli, sys; sys.argv = ['headrace', '--help']\n"
        "try: headrace.cli.main()\nexcept SystemExit: pass\n"
        "import pyarrow; print(pyarrow.default_memory_pool().backend_name, file=sys.stderr)"
    )
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert out.stderr.split()[-1] == "system"
