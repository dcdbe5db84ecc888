-- name: create_runs
CREATE TABLE IF NOT EXISTS headrace_runs (run_id VARCHAR, pipeline VARCHAR, org VARCHAR, status VARCHAR, params VARCHAR,
  resolved VARCHAR, request_hash VARCHAR, mapping_hash VARCHAR, scope VARCHAR, "now" TIMESTAMPTZ, started_at TIMESTAMPTZ,
  finished_at TIMESTAMPTZ, "rows" BIGINT, pages BIGINT, requests BIGINT, error VARCHAR)

-- name: create_checkpoints
CREATE TABLE IF NOT EXISTS headrace_checkpoints (run_id VARCHAR, step VARCHAR, slice VARCHAR, page_number BIGINT,
  cursor_next VARCHAR, done BOOLEAN, attempt VARCHAR, "rows" BIGINT, memo VARCHAR)

-- name: create_slices
CREATE TABLE IF NOT EXISTS headrace_slices (run_id VARCHAR, step VARCHAR, name VARCHAR, position BIGINT, params VARCHAR,
  status VARCHAR, attempts BIGINT, error VARCHAR)

-- name: create_schemas
CREATE TABLE IF NOT EXISTS headrace_schemas ("table" VARCHAR, "column" VARCHAR, type VARCHAR, version BIGINT,
  position BIGINT, changed_at TIMESTAMPTZ, run_id VARCHAR, page_id BIGINT)

-- name: create_removals
CREATE TABLE IF NOT EXISTS headrace_removals ("table" VARCHAR, scope VARCHAR, run_id VARCHAR, missing BIGINT,
  known BIGINT, status VARCHAR, found_at TIMESTAMPTZ, removed_after BIGINT)

-- name: create_staging
CREATE TABLE IF NOT EXISTS headrace_staging ("table" VARCHAR, run_id VARCHAR, state VARCHAR)

-- name: create_tables
CREATE TABLE IF NOT EXISTS headrace_tables ("table" VARCHAR, spec VARCHAR)

-- name: create_leases

-- name: create_raw
CREATE TABLE IF NOT EXISTS {table} (run_id VARCHAR, step VARCHAR, slice VARCHAR, page_number BIGINT,
  fetched_at TIMESTAMPTZ, url VARCHAR, status BIGINT, headers VARCHAR, response_blob BLOB{stored}, encoding VARCHAR,
  sha256 VARCHAR, size BIGINT, masked BIGINT, page_id BIGINT)

-- name: create_sightings
CREATE TABLE IF NOT EXISTS headrace_sightings (_sighting INTEGER, scope VARCHAR, run_id VARCHAR, missed BIGINT,
  missed_run VARCHAR, removed_at TIMESTAMPTZ, removed_run VARCHAR)

-- name: create_seen
CREATE TABLE IF NOT EXISTS {sighted} ({key_columns}, _page BIGINT, _record BIGINT,
  _sighting INTEGER NOT NULL, row_hash VARCHAR)

-- name: create_seen_view
CREATE VIEW {seen} AS SELECT g.scope, {keys}, g.run_id, s._page, s._record, g.missed, g.missed_run, g.removed_at,
  g.removed_run, s.row_hash FROM {sighted} s JOIN headrace_sightings g ON g._sighting = s._sighting

-- name: new_sighting
INSERT INTO headrace_sightings (_sighting, scope, run_id, missed)
SELECT (SELECT coalesce(max(_sighting), 0) + 1 FROM headrace_sightings), s.scope, s.run_id, 0
FROM (SELECT CAST($1 AS VARCHAR) AS scope, CAST($2 AS VARCHAR) AS run_id) s
WHERE NOT EXISTS (SELECT 1 FROM headrace_sightings g WHERE g.scope = $1 AND g.run_id = $2 AND g.missed = 0
  AND g.missed_run IS NULL AND g.removed_at IS NULL AND g.removed_run IS NULL)

-- name: sighting
SELECT _sighting FROM headrace_sightings g WHERE g.scope = ? AND g.run_id = ? AND g.missed = 0
  AND g.missed_run IS NULL AND g.removed_at IS NULL AND g.removed_run IS NULL

-- name: seen_delete
DELETE FROM {sighted} WHERE _sighting IN (SELECT _sighting FROM headrace_sightings WHERE scope = ?) AND ({keys}) IN (
  SELECT {batch_keys} FROM headrace_batch b JOIN headrace_old o ON {match_old} AND o.scope = ?
  WHERE o.v_page < b._page OR (o.v_page = b._page AND o.v_record <= b._record))

-- name: seen_insert
INSERT INTO {sighted} ({keys}, _page, _record, row_hash, _sighting)
SELECT {batch_keys}, b._page, b._record, {hash}, ? FROM headrace_batch b WHERE NOT EXISTS (SELECT 1 FROM headrace_old o WHERE {match_old} AND o.scope = ?
  AND (o.v_page > b._page OR (o.v_page = b._page AND o.v_record > b._record)))

-- name: seen_insert_all
INSERT INTO {sighted} ({keys}, _page, _record, row_hash, _sighting)
SELECT {batch_keys}, b._page, b._record, {hash}, ? FROM headrace_batch b

-- name: seen_touch
CREATE OR REPLACE TEMP TABLE headrace_moves AS
SELECT _sighting AS old, scope, CAST($1 AS VARCHAR) AS run_id, CAST(0 AS BIGINT) AS missed, missed_run,
       CAST(NULL AS TIMESTAMPTZ) AS removed_at, CAST(NULL AS VARCHAR) AS removed_run
FROM headrace_sightings WHERE scope = $2 AND run_id <> $3 AND _sighting IN (SELECT _sighting FROM {sighted}
  WHERE ({keys}) IN (SELECT {batch_keys} FROM headrace_batch b))

-- name: miss
CREATE OR REPLACE TEMP TABLE headrace_moves AS
SELECT _sighting AS old, scope, run_id, missed + 1 AS missed, CAST($1 AS VARCHAR) AS missed_run, removed_at, removed_run
FROM headrace_sightings WHERE scope = $2 AND run_id <> $3 AND removed_at IS NULL
  AND (missed_run IS NULL OR missed_run <> $5) AND _sighting IN (SELECT _sighting FROM {sighted} WHERE _page < $4)

-- name: mark_removed
CREATE OR REPLACE TEMP TABLE headrace_moves AS
SELECT _sighting AS old, scope, run_id, missed, missed_run, CAST($1 AS TIMESTAMPTZ) AS removed_at,
       CAST($2 AS VARCHAR) AS removed_run
FROM headrace_sightings WHERE scope = $3 AND run_id <> $4 AND removed_at IS NULL AND missed >= $6
  AND _sighting IN (SELECT _sighting FROM {sighted} WHERE _page < $5)

-- name: add_sightings
INSERT INTO headrace_sightings (_sighting, scope, run_id, missed, missed_run, removed_at, removed_run)
SELECT (SELECT coalesce(max(_sighting), 0) FROM headrace_sightings) + row_number() OVER (), n.*
FROM (SELECT scope, run_id, missed, missed_run, removed_at, removed_run FROM headrace_moves
      EXCEPT SELECT scope, run_id, missed, missed_run, removed_at, removed_run FROM headrace_sightings) n

-- name: move_sightings
UPDATE {sighted} AS s SET _sighting = m.new FROM (
  SELECT o.old, g._sighting AS new FROM headrace_moves o JOIN headrace_sightings g
  ON g.scope = o.scope AND g.run_id = o.run_id AND g.missed = o.missed
  AND g.missed_run IS NOT DISTINCT FROM o.missed_run AND g.removed_at IS NOT DISTINCT FROM o.removed_at
  AND g.removed_run IS NOT DISTINCT FROM o.removed_run) m
WHERE s._sighting = m.old AND {condition}

-- name: drop_moves
DROP TABLE IF EXISTS headrace_moves

-- name: delete_removed_seen
DELETE FROM {sighted} WHERE ({keys}) IN
  (SELECT {keys} FROM {seen} GROUP BY {keys} HAVING count(removed_at) = count(*))

-- name: seen_tables
SELECT table_name, list(column_name ORDER BY column_index) FROM duckdb_columns()
WHERE database_name = current_database() AND schema_name = current_schema()
  AND table_name IN (SELECT table_name FROM duckdb_tables() WHERE database_name = current_database()
                     AND schema_name = current_schema() AND table_name LIKE '%\_seen' ESCAPE '\')
GROUP BY table_name

-- name: move_seen
CREATE OR REPLACE TEMP TABLE headrace_moves AS
SELECT DISTINCT 0 AS old, scope, run_id, missed, missed_run, removed_at, removed_run FROM {seen}

-- name: split_seen
CREATE TABLE {sighted} AS SELECT {keys}, s._page, s._record, g._sighting, s.row_hash FROM {seen} s
JOIN headrace_sightings g ON g.scope = s.scope AND g.run_id = s.run_id AND g.missed = s.missed
  AND g.missed_run IS NOT DISTINCT FROM s.missed_run AND g.removed_at IS NOT DISTINCT FROM s.removed_at
  AND g.removed_run IS NOT DISTINCT FROM s.removed_run

-- name: alter_type
ALTER TABLE {table} ALTER COLUMN {column} SET DATA TYPE {type} USING {using}

-- name: decimal_as_text
CAST(rtrim(rtrim(CAST({column} AS VARCHAR), '0'), '.') AS {type})

-- name: timestamp_as_text
CAST(strftime({column} AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ') AS {type})

-- name: merge_delete
DELETE FROM {table} WHERE ({keys}) IN (SELECT {pick_keys} FROM headrace_pick p)

-- name: merge_insert
INSERT INTO {table} ({columns}) SELECT {columns} FROM headrace_batch b
WHERE ({batch_keys}) IN (SELECT {pick_keys} FROM headrace_pick p)

-- name: merge_insert_all
INSERT INTO {table} ({columns}) SELECT {columns} FROM headrace_batch b

-- name: strict_seen
ALTER TABLE {sighted} ALTER COLUMN _sighting SET NOT NULL

-- name: count_lost
SELECT (SELECT count(*) FROM {seen}) - (SELECT count(*) FROM {sighted})

-- name: drop_old

-- name: create_old
CREATE OR REPLACE TEMP TABLE headrace_old AS
SELECT {keys_as}, s.scope AS scope, s.run_id AS run_id, s._page AS v_page, s._record AS v_record,
       s.row_hash AS row_hash,
       row_number() OVER (PARTITION BY {keys} ORDER BY s._page DESC, s._record DESC) = 1 AS latest
FROM {seen} s WHERE ({keys}) IN (SELECT {batch_keys} FROM headrace_batch b)

-- name: create_old_of_run
CREATE OR REPLACE TEMP TABLE headrace_old AS
SELECT {keys_as}, s.scope AS scope, s.run_id AS run_id, s._page AS v_page, s._record AS v_record,
       s.row_hash AS row_hash, ({keys}) IN (SELECT {staged} FROM {table} t) AS latest
FROM {seen} s WHERE ({keys}) IN (SELECT {batch_keys} FROM headrace_batch b)

-- name: create_old_of_table
CREATE OR REPLACE TEMP TABLE headrace_old AS
SELECT {keys_as}, '' AS scope, '' AS run_id, s._page AS v_page, s._record AS v_record, {hash} AS row_hash,
       s._page = s._page AS latest
FROM {table} s WHERE ({keys}) IN (SELECT {batch_keys} FROM headrace_batch b)

-- name: kept_rows
SELECT {kept} FROM headrace_batch b LEFT JOIN {table} t ON {match_table}

-- name: physical
SELECT column_name, data_type FROM duckdb_columns() WHERE database_name = current_database()
  AND schema_name = current_schema() AND table_name = ? ORDER BY column_index

-- name: create_probe
CREATE TEMP TABLE headrace_probe AS SELECT * FROM {table} LIMIT 0

-- name: user_views
SELECT view_name, sql FROM duckdb_views() WHERE NOT internal AND database_name = current_database()
  AND schema_name = current_schema() ORDER BY view_oid

-- name: raw_tables
SELECT table_name FROM duckdb_columns() WHERE database_name = current_database() AND schema_name = current_schema()
  AND column_name IN ('response_blob', 'sha256', 'page_id') GROUP BY table_name HAVING count(*) = 3

-- name: raw_any
SELECT 1 FROM {table} LIMIT 1

-- name: raw_end
SELECT count(*), coalesce(sum(octet_length(response_blob)), 0) FROM {table}
WHERE rowid >= (SELECT max(rowid) FROM {table}) - 2047

-- name: result_columns
SELECT column_name, CASE data_type WHEN 'HUGEINT' THEN 'BIGINT' ELSE data_type END FROM duckdb_columns()
WHERE database_name = 'temp' AND table_name = ? ORDER BY column_index

-- name: create_result
CREATE TEMP TABLE headrace_result AS
{select}

-- name: relation_kind
SELECT 'view' FROM duckdb_views() WHERE NOT internal AND database_name = current_database()
  AND schema_name = current_schema() AND lower(view_name) = lower(?)
