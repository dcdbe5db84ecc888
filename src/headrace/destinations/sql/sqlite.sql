-- name: create_runs
CREATE TABLE IF NOT EXISTS headrace_runs (run_id TEXT PRIMARY KEY, pipeline TEXT, org TEXT, status TEXT, params TEXT,
  resolved TEXT, request_hash TEXT, mapping_hash TEXT, scope TEXT, "now" TEXT, started_at TEXT, finished_at TEXT,
  "rows" INTEGER, pages INTEGER, requests INTEGER, error TEXT) STRICT

-- name: create_checkpoints
CREATE TABLE IF NOT EXISTS headrace_checkpoints (run_id TEXT, step TEXT, slice TEXT, page_number INTEGER,
  cursor_next TEXT, done INTEGER, attempt TEXT, "rows" INTEGER, memo TEXT, PRIMARY KEY (run_id, step, slice)) STRICT

-- name: create_slices
CREATE TABLE IF NOT EXISTS headrace_slices (run_id TEXT, step TEXT, name TEXT, position INTEGER, params TEXT,
  status TEXT, attempts INTEGER, error TEXT, PRIMARY KEY (run_id, step, name), UNIQUE (run_id, step, position)) STRICT

-- name: create_schemas
CREATE TABLE IF NOT EXISTS headrace_schemas ("table" TEXT, "column" TEXT, type TEXT, version INTEGER,
  position INTEGER, changed_at TEXT, run_id TEXT, page_id INTEGER) STRICT

-- name: create_removals
CREATE TABLE IF NOT EXISTS headrace_removals ("table" TEXT, scope TEXT, run_id TEXT, missing INTEGER, known INTEGER,
  status TEXT, found_at TEXT, removed_after INTEGER) STRICT

-- name: create_staging
CREATE TABLE IF NOT EXISTS headrace_staging ("table" TEXT, run_id TEXT, state TEXT) STRICT

-- name: create_tables
CREATE TABLE IF NOT EXISTS headrace_tables ("table" TEXT PRIMARY KEY, spec TEXT) STRICT

-- name: create_leases
CREATE TABLE IF NOT EXISTS headrace_leases (run_id TEXT PRIMARY KEY, owner TEXT, pid INTEGER, host TEXT,
  process_started TEXT, heartbeat TEXT, token TEXT) STRICT

-- name: create_sightings

-- name: create_raw
CREATE TABLE IF NOT EXISTS {table} (run_id TEXT, step TEXT, slice TEXT, page_number INTEGER, fetched_at TEXT, url TEXT,
  status INTEGER, headers TEXT, response_blob BLOB, encoding TEXT, sha256 TEXT, size INTEGER, masked INTEGER,
  page_id INTEGER, UNIQUE (run_id, step, slice, page_number), UNIQUE (page_id, run_id, step, slice, page_number)) STRICT

-- name: create_seen
CREATE TABLE IF NOT EXISTS {seen} (scope TEXT, {key_columns}, run_id TEXT, _page INTEGER, _record INTEGER,
  missed INTEGER, missed_run TEXT, removed_at TEXT, removed_run TEXT, row_hash TEXT, UNIQUE ({keys}, scope)) STRICT

-- name: create_table
CREATE TABLE IF NOT EXISTS {table} ({columns}{unique}) STRICT

-- name: create_probe
CREATE TEMP TABLE headrace_probe AS SELECT * FROM {table} LIMIT 0

-- name: index_old
CREATE INDEX temp.headrace_old_keys ON headrace_old ({keys})

-- name: kept_rows

-- name: merge_delete

-- name: merge_insert
INSERT INTO {table} AS t ({columns}) SELECT {columns} FROM headrace_batch b
WHERE ({batch_keys}) IN (SELECT {pick_keys} FROM headrace_pick p)
ON CONFLICT ({keys}) DO {conflict}

-- name: merge_insert_all
INSERT INTO {table} AS t ({columns}) SELECT {columns} FROM headrace_batch b WHERE 1 = 1
ON CONFLICT ({keys}) DO {conflict}

-- name: seen_delete

-- name: seen_insert
INSERT INTO {seen} (scope, {keys}, run_id, _page, _record, missed, row_hash)
SELECT ?, {batch_keys}, ?, b._page, b._record, 0, {hash} FROM headrace_batch b
WHERE NOT EXISTS (SELECT 1 FROM headrace_old o WHERE {match_old} AND o.scope = ?
  AND (o.v_page > b._page OR (o.v_page = b._page AND o.v_record > b._record)))
ON CONFLICT ({keys}, scope) DO UPDATE SET run_id = excluded.run_id, _page = excluded._page, _record = excluded._record,
  missed = 0, missed_run = NULL, removed_at = NULL, removed_run = NULL, row_hash = excluded.row_hash

-- name: physical
SELECT name, type FROM pragma_table_info(?) ORDER BY cid

-- name: create_result
CREATE TEMP TABLE headrace_result AS
{select}

-- name: relation_kind
SELECT 'view' FROM sqlite_master WHERE type = 'view' AND lower(name) = lower(?)
