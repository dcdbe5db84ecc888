-- construct: JSON compared
-- dialect: bigquery
-- refused (duckdb, postgresql, sqlite): JSON compared, ordered or grouped by
SELECT id FROM events WHERE JSON_QUERY(payload, '$.id') = '1'
