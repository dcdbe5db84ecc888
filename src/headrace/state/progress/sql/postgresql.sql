-- name: create
CREATE SCHEMA headrace_service;
CREATE TABLE headrace_service.requests (
  request_id text COLLATE "C" PRIMARY KEY, pipeline text NOT NULL, org text NOT NULL, destination text NOT NULL,
  scope text NOT NULL, inputs text NOT NULL, options text NOT NULL, status text NOT NULL, step text NOT NULL,
  progress double precision, detail text NOT NULL, rows bigint NOT NULL, pages bigint NOT NULL, requests bigint NOT NULL,
  error text NOT NULL, remedy text NOT NULL, owner text NOT NULL, cancel integer NOT NULL,
  created_at bigint NOT NULL, started_at bigint NOT NULL, updated_at bigint NOT NULL, finished_at bigint NOT NULL,
  lease bigint NOT NULL DEFAULT 0, last_event bigint NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX one_at_a_time ON headrace_service.requests (scope)
  WHERE scope <> '' AND status IN ('queued', 'running');
CREATE INDEX waiting ON headrace_service.requests (status, created_at, request_id) WHERE status IN ('queued', 'running');
CREATE INDEX newest ON headrace_service.requests (created_at, request_id);
CREATE INDEX newest_of_org ON headrace_service.requests (org, created_at, request_id);
CREATE INDEX ended ON headrace_service.requests (finished_at) WHERE finished_at > 0;
CREATE INDEX ended_of_org ON headrace_service.requests (org, finished_at) WHERE finished_at > 0;
CREATE TABLE headrace_service.keys (
  org text NOT NULL, key text NOT NULL,
  request_id text COLLATE "C" NOT NULL REFERENCES headrace_service.requests ON DELETE CASCADE
    DEFERRABLE INITIALLY DEFERRED,
  PRIMARY KEY (org, key)
);
CREATE INDEX keys_of_request ON headrace_service.keys (request_id);
CREATE TABLE headrace_service.events (
  request_id text COLLATE "C" NOT NULL REFERENCES headrace_service.requests ON DELETE CASCADE,
  number bigint NOT NULL, event text NOT NULL, PRIMARY KEY (request_id, number)
);
CREATE TABLE headrace_service.documents (
  kind text NOT NULL, name text COLLATE "C" NOT NULL, body text NOT NULL, version bigint NOT NULL,
  PRIMARY KEY (kind, name)
);
CREATE TABLE headrace_service.version (version integer NOT NULL);
INSERT INTO headrace_service.version VALUES (1)

-- name: take_key
INSERT INTO headrace_service.keys (org, key, request_id) VALUES (%(org)s, %(key)s, %(request_id)s)
ON CONFLICT (org, key) DO NOTHING

-- name: insert
INSERT INTO headrace_service.requests ({columns}) VALUES ({holes}) ON CONFLICT DO NOTHING RETURNING {columns}

-- name: stamp
UPDATE headrace_service.requests SET
  created_at = CASE created_at WHEN 0 THEN {now} ELSE created_at END,
  updated_at = CASE updated_at WHEN 0 THEN {now} ELSE updated_at END
WHERE request_id = %(request_id)s RETURNING {columns}

-- name: made_by
SELECT {columns} FROM headrace_service.requests
WHERE request_id = (SELECT request_id FROM headrace_service.keys k WHERE k.org = %(org)s AND k.key = %(key)s)

-- name: busy
SELECT request_id FROM headrace_service.requests
WHERE scope = %(scope)s AND scope <> '' AND status IN ('queued', 'running')

-- name: latest
SELECT {columns} FROM (
  (SELECT 1 AS place, * FROM headrace_service.requests WHERE status = 'running' AND {of_org}
    ORDER BY started_at DESC, request_id DESC LIMIT 1)
  UNION ALL
  (SELECT 2 AS place, * FROM headrace_service.requests WHERE status = 'queued' AND {of_org}
    ORDER BY created_at DESC, request_id DESC LIMIT 1)
  UNION ALL
  (SELECT 3 AS place, * FROM headrace_service.requests WHERE finished_at > 0 AND {of_org}
    ORDER BY finished_at DESC LIMIT 1)
) AS each ORDER BY place LIMIT 1

-- name: claim
UPDATE headrace_service.requests SET
  status = 'running', owner = %(owner)s, lease = {now} + %(lease)s, updated_at = {now},
  started_at = CASE started_at WHEN 0 THEN {now} ELSE started_at END
WHERE request_id = (
  SELECT request_id FROM headrace_service.requests
  WHERE status = 'queued' OR (status = 'running' AND lease <= {now})
  ORDER BY status = 'queued', CASE started_at WHEN 0 THEN created_at ELSE updated_at END, request_id LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING {columns}

-- name: reopen
UPDATE headrace_service.requests SET
  status = 'queued', cancel = 0, error = '', remedy = '', owner = '', lease = 0, finished_at = 0, updated_at = {now}
WHERE request_id = %(request_id)s AND status NOT IN ('queued', 'running')

-- name: ask_cancel
UPDATE headrace_service.requests SET
  cancel = 1, updated_at = {now},
  finished_at = CASE status WHEN 'queued' THEN {now} ELSE finished_at END,
  status = CASE status WHEN 'queued' THEN 'cancelled' ELSE status END
WHERE request_id = %(request_id)s AND status IN ('queued', 'running')

-- name: take
UPDATE headrace_service.requests SET
  status = 'running', owner = %(owner)s, lease = {now} + %(lease)s, updated_at = {now}
WHERE request_id = %(request_id)s AND (status = 'queued' OR (status = 'running' AND owner = %(owner)s))

-- name: give_back
UPDATE headrace_service.requests SET status = 'queued', owner = '', lease = 0, updated_at = {now}
WHERE request_id = %(request_id)s AND owner = %(owner)s AND status = 'running'

-- name: beat
UPDATE headrace_service.requests SET lease = {now} + %(lease)s
WHERE owner = %(owner)s AND status = 'running' AND request_id = ANY(%(ids)s)
RETURNING request_id

-- name: count_events
UPDATE headrace_service.requests SET last_event = last_event + %(count)s
WHERE request_id = %(request_id)s RETURNING last_event

-- name: append
INSERT INTO headrace_service.events (request_id, number, event)
SELECT %(request_id)s, %(before)s + number, event FROM unnest(%(events)s::text[]) WITH ORDINALITY AS e (event, number)

-- name: trim
DELETE FROM headrace_service.events WHERE request_id = %(request_id)s AND number <= %(last)s

-- name: events
SELECT number, event FROM headrace_service.events
WHERE request_id = %(request_id)s AND number > %(after)s ORDER BY number LIMIT %(limit)s

-- name: put
INSERT INTO headrace_service.documents AS d (kind, name, body, version) VALUES (%(kind)s, %(name)s, %(body)s, 1)
ON CONFLICT (kind, name) DO UPDATE SET body = excluded.body, version = d.version + 1
RETURNING version

-- name: put_new
INSERT INTO headrace_service.documents (kind, name, body, version) VALUES (%(kind)s, %(name)s, %(body)s, 1)
ON CONFLICT (kind, name) DO NOTHING RETURNING version

-- name: put_over
UPDATE headrace_service.documents SET body = %(body)s, version = version + 1
WHERE kind = %(kind)s AND name = %(name)s AND version = %(expected)s RETURNING version

-- name: document
SELECT kind, name, body, version FROM headrace_service.documents WHERE kind = %(kind)s AND name = %(name)s

-- name: documents
SELECT kind, name, body, version FROM headrace_service.documents
WHERE kind = %(kind)s AND starts_with(name, %(prefix)s) ORDER BY name

-- name: delete
DELETE FROM headrace_service.documents WHERE kind = %(kind)s AND name = %(name)s

-- name: forget
DELETE FROM headrace_service.requests WHERE finished_at > 0 AND finished_at < %(before)s
