"""``{slice.…}`` in a column: each row gets its own slice's value, also when it is rebuilt."""

from pathlib import Path

import duckdb

import headrace
from headrace.sandbox import Options, run_in_thread

FILE = """
pipeline_id: parts
steps:
  - step: crawl
    processor: generic.api_extractor
    config:
      url: "{base}/styles/cursor-query"
      params: {part: "{slice.part}"}
      pagination: {type: cursor, param: cursor, response_path: meta.next_cursor}
      rate_limit: {requests_per_second: 1000}
      slices: {each: {part: [a, b, c]}, concurrency: 3}
      tables:
        - {table: parts, key: [part, id], columns: {part: {value: "{slice.part}"}, id: id}}
"""


def counts(file: Path) -> list[tuple[str, int]]:
    with duckdb.connect(str(file)) as connection:
        return connection.execute("SELECT part, count(*) FROM parts GROUP BY part ORDER BY part").fetchall()


def test_every_row_knows_its_slice(tmp_path: Path) -> None:
    file, database = tmp_path / "parts.yml", tmp_path / "parts.duckdb"
    file.write_text(FILE)
    with run_in_thread(Options(records=30, page_size=10)) as sandbox:
        result = headrace.run(
            file, params={"base": sandbox.url}, destination=f"duckdb:///{database}", state=tmp_path / "state"
        )
    assert result.status == "done"
    assert counts(database) == [("a", 30), ("b", 30), ("c", 30)]
    headrace.replay(str(file), destination=f"duckdb:///{database}")
    assert counts(database) == [("a", 30), ("b", 30), ("c", 30)]
