-- construct: ROW_NUMBER without ORDER BY
-- dialect: bigquery
-- refused (duckdb, postgresql, sqlite): ROW_NUMBER without ORDER BY
SELECT id, ROW_NUMBER() OVER (PARTITION BY active) AS a FROM events
