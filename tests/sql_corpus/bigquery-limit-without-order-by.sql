-- construct: LIMIT without ORDER BY
-- dialect: bigquery
-- refused (duckdb, postgresql, sqlite): LIMIT without ORDER BY
SELECT id FROM events LIMIT 2
