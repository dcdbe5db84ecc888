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
  fetched_at TIMESTAMPTZ, url VARCHAR, status BIGINT, headers VARCHAR, response_blob BLOB, encoding VARCHAR,
  sha256 VARCHAR, size BIGINT, masked BIGINT, page_id BIGINT)

-- name: create_seen
CREATE TABLE IF NOT EXISTS {seen} (scope VARCHAR, {key_columns}, run_id VARCHAR, _page BIGINT, _record BIGINT,
  missed BIGINT, missed_run VARCHAR, removed_at TIMESTAMPTZ, removed_run VARCHAR, row_hash VARCHAR)

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
