-- construct: GROUP BY JSON
-- dialect: bigquery
-- refused (duckdb, postgresql, sqlite): JSON compared, ordered or grouped by
SELECT payload, COUNT(*) AS n FROM events GROUP BY payload
