-- name: create_runs
CREATE TABLE IF NOT EXISTS headrace_runs (run_id text PRIMARY KEY, pipeline text, org text, status text, params text,
  resolved text, request_hash text, mapping_hash text, scope text, "now" timestamptz, started_at timestamptz,
  finished_at timestamptz, "rows" bigint, pages bigint, requests bigint, error text)

-- name: create_checkpoints
CREATE TABLE IF NOT EXISTS headrace_checkpoints (run_id text, step text, slice text, page_number bigint,
  cursor_next text, done boolean, attempt text, "rows" bigint, memo text, PRIMARY KEY (run_id, step, slice))

-- name: create_slices
CREATE TABLE IF NOT EXISTS headrace_slices (run_id text, step text, name text, position bigint, params text,
  status text, attempts bigint, error text, PRIMARY KEY (run_id, step, name), UNIQUE (run_id, step, position))

-- name: create_schemas
CREATE TABLE IF NOT EXISTS headrace_schemas ("table" text, "column" text, type text, version bigint,
  position bigint, changed_at timestamptz, run_id text, page_id bigint)

-- name: create_removals
CREATE TABLE IF NOT EXISTS headrace_removals ("table" text, scope text, run_id text, missing bigint, known bigint,
  status text, found_at timestamptz, removed_after bigint)

-- name: create_staging
CREATE TABLE IF NOT EXISTS headrace_staging ("table" text, run_id text, state text)

-- name: create_tables
CREATE TABLE IF NOT EXISTS headrace_tables ("table" text PRIMARY KEY, spec text)

-- name: create_leases
CREATE TABLE IF NOT EXISTS headrace_leases (run_id text PRIMARY KEY, owner text, pid bigint, host text,
  process_started text, heartbeat timestamptz, token text)

-- name: create_sightings

-- name: create_raw
CREATE TABLE IF NOT EXISTS {table} (run_id text, step text, slice text, page_number bigint, fetched_at timestamptz,
  url text, status bigint, headers text, response_blob bytea, encoding text, sha256 text, size bigint, masked bigint,
  page_id bigint, UNIQUE (run_id, step, slice, page_number), UNIQUE (page_id, run_id, step, slice, page_number))

-- name: create_seen
CREATE TABLE IF NOT EXISTS {seen} (scope text, {key_columns}, run_id text, _page bigint, _record bigint,
  missed bigint, missed_run text, removed_at timestamptz, removed_run text, row_hash text, UNIQUE ({keys}, scope))

-- name: create_probe
CREATE TEMP TABLE headrace_probe (LIKE {table} INCLUDING ALL) ON COMMIT DROP

-- name: checkpoint_lock
SELECT run_id, step, slice, page_number, cursor_next, done, attempt, "rows", memo
FROM headrace_checkpoints WHERE run_id = ? AND step = ? AND slice = ? FOR UPDATE

-- name: checkpoints_lock
SELECT run_id, step, slice, page_number, cursor_next, done, attempt, "rows", memo
FROM headrace_checkpoints WHERE run_id = ? AND step = ? AND slice IN ({marks}) ORDER BY slice FOR UPDATE

-- name: checkpoint_probe
INSERT INTO headrace_checkpoints (run_id, step, slice, attempt) VALUES (?, ?, ?, '') ON CONFLICT DO NOTHING

-- name: decimal_as_text
CAST({column} AS {type})

-- name: timestamp_as_text
to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')

-- name: fill_nulls
UPDATE {table} AS t SET {sets} FROM headrace_batch b
WHERE {match_table} AND ({batch_keys}) NOT IN (SELECT {pick_keys} FROM headrace_pick p)

-- name: kept_rows

-- name: create_old
-- Known rows are looked up one by one: without statistics of the batch the planner would read the whole table instead,
-- and OFFSET keeps it from changing the lookup into a join. In the order of the index, each of its pages is read once.
CREATE TEMP TABLE headrace_old AS
SELECT {keys_as}, s.scope AS scope, s.run_id AS run_id, s._page AS v_page, s._record AS v_record,
       s.row_hash AS row_hash,
       row_number() OVER (PARTITION BY {keys} ORDER BY s._page DESC, s._record DESC) = 1 AS latest
FROM (SELECT s.* FROM (SELECT DISTINCT {batch_keys} FROM headrace_batch b ORDER BY {batch_keys}) b
  CROSS JOIN LATERAL (SELECT * FROM {seen} s WHERE {match} OFFSET 0) s) s

-- name: create_old_of_run
CREATE TEMP TABLE headrace_old AS
SELECT {keys_as}, s.scope AS scope, s.run_id AS run_id, s._page AS v_page, s._record AS v_record,
       s.row_hash AS row_hash, ({keys}) IN (SELECT {staged} FROM {table} t) AS latest
FROM (SELECT s.* FROM (SELECT DISTINCT {batch_keys} FROM headrace_batch b ORDER BY {batch_keys}) b
  CROSS JOIN LATERAL (SELECT * FROM {seen} s WHERE {match} OFFSET 0) s) s

-- name: create_old_of_table
CREATE TEMP TABLE headrace_old AS
SELECT {keys_as}, '' AS scope, '' AS run_id, s._page AS v_page, s._record AS v_record, {hash} AS row_hash,
       s._page = s._page AS latest
FROM (SELECT s.* FROM (SELECT DISTINCT {batch_keys} FROM headrace_batch b ORDER BY {batch_keys}) b
  CROSS JOIN LATERAL (SELECT * FROM {table} s WHERE {match} OFFSET 0) s) s

-- name: seen_delete

-- name: seen_insert
INSERT INTO {seen} (scope, {keys}, run_id, _page, _record, missed, row_hash)
SELECT ?, {batch_keys}, ?, b._page, b._record, 0, {hash} FROM headrace_batch b
WHERE NOT EXISTS (SELECT 1 FROM headrace_old o WHERE {match_old} AND o.scope = ?
  AND (o.v_page > b._page OR (o.v_page = b._page AND o.v_record > b._record)))
ON CONFLICT ({keys}, scope) DO UPDATE SET run_id = excluded.run_id, _page = excluded._page, _record = excluded._record,
  missed = 0, missed_run = NULL, removed_at = NULL, removed_run = NULL, row_hash = excluded.row_hash

-- name: merge_delete

-- name: merge_insert
INSERT INTO {table} AS t ({columns}) SELECT {columns} FROM headrace_batch b
WHERE ({batch_keys}) IN (SELECT {pick_keys} FROM headrace_pick p)
ON CONFLICT ({keys}) DO {conflict}

-- name: merge_insert_all
INSERT INTO {table} AS t ({columns}) SELECT {columns} FROM headrace_batch b
ON CONFLICT ({keys}) DO {conflict}

-- name: empty_table
TRUNCATE {table}

-- name: drop_old
DROP TABLE IF EXISTS pg_temp.headrace_old

-- name: drop_pick
DROP TABLE IF EXISTS pg_temp.headrace_pick

-- name: lock_schema
SELECT pg_advisory_xact_lock(5206871430158)

-- name: lock_table
LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE

-- name: lock_types
LOCK TABLE {table} IN ROW EXCLUSIVE MODE

-- name: physical
SELECT a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_attribute a
WHERE a.attrelid = to_regclass(quote_ident(?)) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum

-- name: dependent_views
WITH RECURSIVE dependent AS (
  SELECT to_regclass(quote_ident(?))::oid AS oid, 0 AS depth
  UNION
  SELECT r.ev_class, d.depth + 1 FROM dependent d
  JOIN pg_depend p ON p.refclassid = 'pg_class'::regclass AND p.refobjid = d.oid AND p.classid = 'pg_rewrite'::regclass
  JOIN pg_rewrite r ON r.oid = p.objid AND r.ev_class <> d.oid
)
SELECT c.oid::regclass::text, pg_get_viewdef(c.oid), CASE c.relkind WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'VIEW' END
FROM dependent d JOIN pg_class c ON c.oid = d.oid WHERE d.depth > 0
GROUP BY c.oid, c.relkind ORDER BY max(d.depth)

-- name: drop_dependent
DROP {kind} {view}

-- name: create_dependent
CREATE {kind} {view} AS {query}

-- name: view_exists
SELECT to_regclass(?) IS NOT NULL

-- name: lease_lock
SELECT pg_try_advisory_lock(?)

-- name: lease_unlock
SELECT pg_advisory_unlock(?)

-- name: raw_tables
SELECT c.relname FROM pg_class c WHERE c.relnamespace = to_regnamespace(quote_ident(current_schema()))
  AND c.relkind = 'r' AND 3 = (SELECT count(*) FROM pg_attribute a
    WHERE a.attrelid = c.oid AND a.attname IN ('response_blob', 'sha256', 'page_id'))
ORDER BY c.relname

-- name: result_columns
SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute
WHERE attrelid = to_regclass('pg_temp.' || quote_ident(?)) AND attnum > 0 AND NOT attisdropped ORDER BY attnum

-- name: create_result
CREATE TEMP TABLE headrace_result ON COMMIT DROP AS
{select}

-- name: relation_kind
SELECT 'view' FROM pg_class WHERE oid = to_regclass(quote_ident(?)) AND relkind = 'v'
