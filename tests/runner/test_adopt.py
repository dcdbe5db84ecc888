"""A mapping that changes while a run is under way."""

from pathlib import Path

import duckdb
import pytest

import headrace
from headrace.sandbox import Options, run_in_thread

FILE = """
pipeline_id: things
steps:
  - step: crawl
    processor: generic.api_extractor
    config:
      url: "{base}/styles/cursor-query"
      pagination: {type: cursor, param: cursor, response_path: meta.next_cursor}
      rate_limit: {requests_per_second: 1000}
      tables:
        - {table: things, key: [id], columns: {COLUMNS}}
"""


@pytest.mark.parametrize("adopt", [True, False])
def test_adopting_brings_every_row_under_the_new_mapping(tmp_path: Path, adopt: bool) -> None:
    file, target = tmp_path / "things.yml", f"duckdb:///{tmp_path}/things.duckdb"
    with run_in_thread(Options(records=40, page_size=10)) as sandbox:

        def run(columns: str, **more: object) -> headrace.RunResult:
            file.write_text(FILE.replace("{COLUMNS}", columns))
            return headrace.run(
                file, params={"base": sandbox.url}, destination=target, run_id="r", state=tmp_path / "state", **more
            )

        assert run("{id: id}", max_pages=2).status == "partial"
        assert run("{id: id, name: name}", adopt=adopt).status == "done"
    with duckdb.connect(str(tmp_path / "things.duckdb")) as connection:
        columns = [row[0] for row in connection.execute("DESCRIBE things").fetchall()]
        assert connection.execute("SELECT count(*) FROM things").fetchone() == (40,)
        if adopt:
            assert connection.execute("SELECT count(name) FROM things").fetchone() == (40,)
        else:
            assert "name" not in columns, "without --adopt a run goes on with the mapping that it began with"
