-- name: run_read
SELECT run_id, pipeline, org, status, params, resolved, request_hash, mapping_hash, scope, "now", started_at,
       finished_at, "rows", pages, requests, error
FROM headrace_runs WHERE run_id = ?

-- name: runs_read
SELECT run_id, pipeline, org, status, params, resolved, request_hash, mapping_hash, scope, "now", started_at,
       finished_at, "rows", pages, requests, error
FROM headrace_runs WHERE pipeline = ? OR ? ORDER BY started_at DESC, run_id DESC LIMIT ?

-- name: run_started
SELECT started_at FROM headrace_runs WHERE run_id = ?

-- name: run_delete
DELETE FROM headrace_runs WHERE run_id = ?

-- name: checkpoint_read
SELECT run_id, step, slice, page_number, cursor_next, done, attempt, "rows", memo
FROM headrace_checkpoints WHERE run_id = ? AND step = ? AND slice = ?

-- name: checkpoint_lock
SELECT run_id, step, slice, page_number, cursor_next, done, attempt, "rows", memo
FROM headrace_checkpoints WHERE run_id = ? AND step = ? AND slice = ?

-- name: checkpoints_lock
SELECT run_id, step, slice, page_number, cursor_next, done, attempt, "rows", memo
FROM headrace_checkpoints WHERE run_id = ? AND step = ? AND slice IN ({marks})

-- name: checkpoints_read
SELECT run_id, step, slice, page_number, cursor_next, done, attempt, "rows", memo
FROM headrace_checkpoints WHERE run_id = ? ORDER BY step, slice

-- name: checkpoint_update
UPDATE headrace_checkpoints SET page_number = ?, cursor_next = ?, done = ?, attempt = ?, "rows" = ?, memo = ?
WHERE run_id = ? AND step = ? AND slice = ?

-- name: slices_count
SELECT count(*) FROM headrace_slices WHERE run_id = ? AND step = ?

-- name: slices_read
SELECT name, position, params, status, attempts, error FROM headrace_slices
WHERE run_id = ? AND step = ? AND position > ? ORDER BY position LIMIT ?

-- name: slices_read_status
SELECT name, position, params, status, attempts, error FROM headrace_slices
WHERE run_id = ? AND step = ? AND position > ? AND status IN ({marks}) ORDER BY position LIMIT ?

-- name: slices_update
UPDATE headrace_slices SET status = ?, attempts = ?, error = ? WHERE run_id = ? AND step = ? AND name IN ({marks})

-- name: highest_key
SELECT max({key}) FROM {table}

-- name: schema_read
SELECT "table", "column", type, version FROM headrace_schemas WHERE "table" IN ({marks}) ORDER BY version, position

-- name: schema_forget
DELETE FROM headrace_schemas WHERE "table" = ?

-- name: schema_rename
UPDATE headrace_schemas SET "table" = ? WHERE "table" = ?

-- name: add_column
ALTER TABLE {table} ADD COLUMN {column} {type}

-- name: alter_type
ALTER TABLE {table} ALTER COLUMN {column} TYPE {type} USING {using}

-- name: cast
CAST({column} AS {type})

-- name: create_table
CREATE TABLE IF NOT EXISTS {table} ({columns}{unique})

-- name: create_unique
CREATE UNIQUE INDEX IF NOT EXISTS {index} ON {table} ({keys})

-- name: drop_table
DROP TABLE IF EXISTS {table}

-- name: rename_table
ALTER TABLE {table} RENAME TO {new}

-- name: empty_table
DELETE FROM {table}

-- name: copy_table
INSERT INTO {table} ({columns}) SELECT {columns} FROM {source}

-- name: drop_view
DROP VIEW IF EXISTS {view}

-- name: create_view
CREATE VIEW {view} AS SELECT {columns} FROM {table} t WHERE {condition}

-- name: create_rejected
CREATE TABLE IF NOT EXISTS {table} (run_id {text}, _page {int}, _record {int}, reason {text}, column_name {text},
  raw {binary}, rejected_at {time})

-- name: drop_old
DROP TABLE IF EXISTS headrace_old

-- name: create_old
CREATE TEMP TABLE headrace_old AS
SELECT {keys_as}, s.scope AS scope, s.run_id AS run_id, s._page AS v_page, s._record AS v_record,
       s.row_hash AS row_hash,
       row_number() OVER (PARTITION BY {keys} ORDER BY s._page DESC, s._record DESC) = 1 AS latest
FROM {seen} s WHERE ({keys}) IN (SELECT {batch_keys} FROM headrace_batch b)

-- name: create_old_of_run
CREATE TEMP TABLE headrace_old AS
SELECT {keys_as}, s.scope AS scope, s.run_id AS run_id, s._page AS v_page, s._record AS v_record,
       s.row_hash AS row_hash, ({keys}) IN (SELECT {staged} FROM {table} t) AS latest
FROM {seen} s WHERE ({keys}) IN (SELECT {batch_keys} FROM headrace_batch b)

-- name: create_old_of_table
CREATE TEMP TABLE headrace_old AS
SELECT {keys_as}, '' AS scope, '' AS run_id, s._page AS v_page, s._record AS v_record, {hash} AS row_hash,
       s._page = s._page AS latest
FROM {table} s WHERE ({keys}) IN (SELECT {batch_keys} FROM headrace_batch b)

-- name: index_old

-- name: count_old
SELECT count(*) FROM headrace_old

-- name: count_pick
SELECT count(*) FROM headrace_pick

-- name: drop_pick
DROP TABLE IF EXISTS headrace_pick

-- name: create_pick
CREATE TEMP TABLE headrace_pick AS
SELECT {batch_keys_as} FROM headrace_batch b LEFT JOIN headrace_old o ON o.latest AND {match_old}
WHERE o.latest IS NULL
   OR ((o.v_page < b._page OR (o.v_page = b._page AND o.v_record <= b._record)) AND {changed})

-- name: create_pick_absent
CREATE TEMP TABLE headrace_pick AS
SELECT {batch_keys_as} FROM headrace_batch b WHERE NOT EXISTS (SELECT 1 FROM headrace_old o WHERE {match_old})

-- name: insert_all
INSERT INTO {table} ({columns}) SELECT {columns} FROM headrace_batch b

-- name: insert_picked
INSERT INTO {table} ({columns}) SELECT {columns} FROM headrace_batch b
WHERE ({batch_keys}) IN (SELECT {pick_keys} FROM headrace_pick p)

-- name: fill_nulls
UPDATE {table} AS t SET {sets} FROM headrace_batch b
WHERE {match_table} AND ({batch_keys}) NOT IN (SELECT {pick_keys} FROM headrace_pick p)

-- name: seen_delete
DELETE FROM {seen} WHERE scope = ? AND ({keys}) IN (
  SELECT {batch_keys} FROM headrace_batch b JOIN headrace_old o ON {match_old} AND o.scope = ?
  WHERE o.v_page < b._page OR (o.v_page = b._page AND o.v_record <= b._record))

-- name: seen_insert
INSERT INTO {seen} (scope, {keys}, run_id, _page, _record, missed, row_hash)
SELECT ?, {batch_keys}, ?, b._page, b._record, 0, {hash} FROM headrace_batch b
WHERE NOT EXISTS (SELECT 1 FROM headrace_old o WHERE {match_old} AND o.scope = ?
  AND (o.v_page > b._page OR (o.v_page = b._page AND o.v_record > b._record)))

-- name: seen_insert_all
INSERT INTO {seen} (scope, {keys}, run_id, _page, _record, missed, row_hash)
SELECT ?, {batch_keys}, ?, b._page, b._record, 0, {hash} FROM headrace_batch b

-- name: count_newer
SELECT count(*) FROM headrace_batch b JOIN headrace_old o ON {match_old} AND o.scope = ?
WHERE o.v_page > b._page OR (o.v_page = b._page AND o.v_record > b._record)

-- name: seen_touch
UPDATE {seen} SET run_id = ?, missed = 0, removed_at = NULL, removed_run = NULL
WHERE scope = ? AND run_id <> ? AND ({keys}) IN (SELECT {batch_keys} FROM headrace_batch b)

-- name: miss
UPDATE {seen} SET missed = missed + 1, missed_run = ?
WHERE scope = ? AND run_id <> ? AND _page < ? AND removed_at IS NULL AND (missed_run IS NULL OR missed_run <> ?)

-- name: count_missing
SELECT count(*), coalesce(sum(CASE WHEN run_id <> ? AND _page < ? AND missed >= ? THEN 1 ELSE 0 END), 0)
FROM {seen} WHERE scope = ? AND removed_at IS NULL

-- name: mark_removed
UPDATE {seen} SET removed_at = ?, removed_run = ?
WHERE scope = ? AND run_id <> ? AND _page < ? AND removed_at IS NULL AND missed >= ?

-- name: count_rejected
SELECT count(*) FROM {rejected} WHERE run_id = ?

-- name: close_absent
UPDATE {table} SET valid_to = ? WHERE valid_to IS NULL AND valid_from <= ?
  AND ({keys}) IN (SELECT {seen_keys} FROM {seen} GROUP BY {seen_keys} HAVING count(removed_at) = count(*))

-- name: removals_read
SELECT "table", scope, run_id, missing, known, status, found_at FROM headrace_removals
WHERE "table" = ? OR ? ORDER BY found_at, run_id

-- name: removals_of_run
SELECT "table", scope, run_id, missing, known, status, found_at FROM headrace_removals
WHERE "table" = ? AND scope = ? AND run_id = ?

-- name: removals_held
SELECT scope, missing, removed_after, found_at FROM headrace_removals
WHERE "table" = ? AND run_id = ? AND status = 'held'

-- name: removals_decide
UPDATE headrace_removals SET status = ? WHERE "table" = ? AND run_id = ? AND scope = ? AND status = 'held'

-- name: raw_sizes
SELECT page_id, size FROM {table} WHERE {condition} ORDER BY page_id

-- name: raw_read
SELECT run_id, step, slice, page_number, page_id, fetched_at, url, status, headers, response_blob, masked, encoding,
       sha256
FROM {table} WHERE page_id BETWEEN ? AND ? AND {condition} ORDER BY page_id, run_id, step, slice, page_number

-- name: raw_purge
UPDATE {table} SET response_blob = NULL WHERE response_blob IS NOT NULL AND {condition}

-- name: count_raw_bodies
SELECT count(*) FROM {table} WHERE response_blob IS NOT NULL AND {condition}

-- name: raw_highest
SELECT max(page_number) FROM {table} WHERE run_id = ? AND step = ? AND slice = ?

-- name: raw_delete
DELETE FROM {table} WHERE (run_id, step, slice, page_number) IN
  (SELECT b.run_id, b.step, b.slice, b.page_number FROM headrace_batch b)

-- name: staging_all
SELECT "table", run_id, state FROM headrace_staging ORDER BY "table", run_id

-- name: staging_lose
UPDATE headrace_staging SET state = 'lost' WHERE "table" = ? AND run_id = ?

-- name: staging_state
SELECT state FROM headrace_staging WHERE "table" = ? AND run_id = ?

-- name: staging_overtake
UPDATE headrace_staging SET state = 'lost' WHERE "table" = ?

-- name: staging_forget
DELETE FROM headrace_staging WHERE "table" = ? AND run_id = ?

-- name: sync_insert
INSERT INTO {table} ({columns}{more}) SELECT {staged}{values} FROM {staging} s
WHERE NOT EXISTS (SELECT 1 FROM {table} t WHERE {match})

-- name: sync_update
UPDATE {table} AS t SET {sets} FROM {staging} s WHERE {match} AND {changed}

-- name: count_removed_rows
SELECT count(*) FROM {table} t WHERE {removed}

-- name: delete_removed_rows
DELETE FROM {table} AS t WHERE {removed}

-- name: delete_removed_seen
DELETE FROM {seen} WHERE ({keys}) IN (SELECT {keys} FROM {seen} GROUP BY {keys} HAVING count(removed_at) = count(*))

-- name: history_read
SELECT b._row, t.valid_from, t.valid_to, t._hash FROM {table} t JOIN headrace_batch b ON {match}
ORDER BY t.valid_from, t.valid_to NULLS LAST

-- name: history_last
SELECT b._row, o.v_page, o.row_hash FROM headrace_batch b JOIN headrace_old o ON o.latest AND {match_old}

-- name: history_copy
INSERT INTO {table} ({columns}, valid_from, valid_to) SELECT {source}, b._new_from, b._new_to
FROM {table} t JOIN headrace_batch b ON {match} AND t.valid_from = b._old_from AND t._hash = b._old_hash

-- name: history_update
UPDATE {table} AS t SET valid_from = b._new_from, valid_to = b._new_to FROM headrace_batch b
WHERE {match} AND t.valid_from = b._old_from AND t._hash = b._old_hash

-- name: spec_read
SELECT spec FROM headrace_tables WHERE "table" = ?

-- name: specs_read
SELECT spec FROM headrace_tables ORDER BY "table"

-- name: spec_delete
DELETE FROM headrace_tables WHERE "table" = ?

-- name: lease_read
SELECT owner, pid, host, process_started, heartbeat FROM headrace_leases WHERE run_id = ?

-- name: lease_delete
DELETE FROM headrace_leases WHERE run_id = ?

-- name: lease_release
DELETE FROM headrace_leases WHERE run_id = ? AND token = ?

-- name: lease_renew
UPDATE headrace_leases SET heartbeat = ? WHERE run_id = ? AND token = ?

-- name: drop_result
DROP TABLE IF EXISTS headrace_result

-- name: count_result
SELECT count(*) FROM headrace_result

-- name: insert_result
INSERT INTO {table} ({columns}) SELECT {columns} FROM headrace_result

-- name: doubled_result
SELECT {keys} FROM headrace_result r WHERE {absent} OR ({keys}) IN
  (SELECT {keys} FROM headrace_result GROUP BY {keys} HAVING count(*) > 1) LIMIT 5

-- name: delete_merged
DELETE FROM {table} WHERE ({keys}) IN (SELECT {keys} FROM headrace_result)

-- name: create_result_view
CREATE VIEW {view} AS
{select}
