-- name: create
CREATE TABLE requests (
  request_id TEXT NOT NULL PRIMARY KEY, pipeline TEXT NOT NULL, org TEXT NOT NULL, destination TEXT NOT NULL,
  scope TEXT NOT NULL, inputs TEXT NOT NULL, options TEXT NOT NULL, status TEXT NOT NULL, step TEXT NOT NULL,
  progress REAL, detail TEXT NOT NULL, rows INTEGER NOT NULL, pages INTEGER NOT NULL, requests INTEGER NOT NULL,
  error TEXT NOT NULL, remedy TEXT NOT NULL, owner TEXT NOT NULL, cancel INTEGER NOT NULL,
  created_at INTEGER NOT NULL, started_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, finished_at INTEGER NOT NULL,
  lease INTEGER NOT NULL DEFAULT 0, last_event INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX one_at_a_time ON requests (scope) WHERE scope <> '' AND status IN ('queued', 'running');
CREATE INDEX waiting ON requests (status, created_at, request_id) WHERE status IN ('queued', 'running');
CREATE INDEX newest ON requests (created_at, request_id);
CREATE INDEX newest_of_org ON requests (org, created_at, request_id);
CREATE INDEX ended ON requests (finished_at) WHERE finished_at > 0;
CREATE INDEX ended_of_org ON requests (org, finished_at) WHERE finished_at > 0;
CREATE TABLE keys (
  org TEXT NOT NULL, key TEXT NOT NULL, request_id TEXT NOT NULL REFERENCES requests ON DELETE CASCADE,
  PRIMARY KEY (org, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX keys_of_request ON keys (request_id);
CREATE TABLE events (
  request_id TEXT NOT NULL REFERENCES requests ON DELETE CASCADE, number INTEGER NOT NULL, event TEXT NOT NULL,
  PRIMARY KEY (request_id, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE documents (
  kind TEXT NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL, version INTEGER NOT NULL, PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;

-- name: latest
SELECT {columns} FROM (
  SELECT * FROM (
    SELECT 1 AS place, * FROM requests INDEXED BY waiting
    WHERE status IN ('queued', 'running') AND status = 'running' AND (:org IS NULL OR org = :org)
    ORDER BY started_at DESC, request_id DESC LIMIT 1)
  UNION ALL
  SELECT * FROM (
    SELECT 2 AS place, * FROM requests INDEXED BY waiting
    WHERE status IN ('queued', 'running') AND status = 'queued' AND (:org IS NULL OR org = :org)
    ORDER BY created_at DESC, request_id DESC LIMIT 1)
  UNION ALL
  SELECT * FROM (
    SELECT 3 AS place, * FROM requests WHERE finished_at > 0 AND {ended}
    ORDER BY finished_at DESC LIMIT 1)
) ORDER BY place LIMIT 1

-- name: claim
UPDATE requests SET
  status = 'running', owner = :owner, lease = :now + :lease, updated_at = :now,
  started_at = CASE started_at WHEN 0 THEN :now ELSE started_at END
WHERE request_id = (
  SELECT request_id FROM requests
  WHERE status IN ('queued', 'running') AND (status = 'queued' OR lease <= :now) -- as the index says it
  ORDER BY status = 'queued', CASE started_at WHEN 0 THEN created_at ELSE updated_at END, request_id LIMIT 1)
RETURNING {columns}

-- name: reopen
UPDATE requests SET
  status = 'queued', cancel = 0, error = '', remedy = '', owner = '', lease = 0, finished_at = 0, updated_at = :now
WHERE request_id = :request_id AND status NOT IN ('queued', 'running')

-- name: ask_cancel
UPDATE requests SET
  cancel = 1, updated_at = :now,
  finished_at = CASE status WHEN 'queued' THEN :now ELSE finished_at END,
  status = CASE status WHEN 'queued' THEN 'cancelled' ELSE status END
WHERE request_id = :request_id AND status IN ('queued', 'running')

-- name: take
UPDATE requests SET
  status = 'running', owner = :owner, lease = :now + :lease, updated_at = :now
WHERE request_id = :request_id AND (status = 'queued' OR (status = 'running' AND owner = :owner))

-- name: give_back
UPDATE requests SET status = 'queued', owner = '', lease = 0, updated_at = :now
WHERE request_id = :request_id AND owner = :owner AND status = 'running'

-- name: beat
UPDATE requests SET lease = :now + :lease
WHERE owner = :owner AND status = 'running' AND request_id IN (SELECT value FROM json_each(:ids))
RETURNING request_id

-- name: count_events
UPDATE requests SET last_event = last_event + :count WHERE request_id = :request_id RETURNING last_event

-- name: put
INSERT INTO documents (kind, name, body, version) VALUES (:kind, :name, :body, 1)
ON CONFLICT (kind, name) DO UPDATE SET body = excluded.body, version = version + 1
RETURNING version
