-- construct: ARRAY_AGG with LIMIT
-- dialect: bigquery
-- refused (duckdb, postgresql, sqlite): LIMIT inside an aggregate
SELECT ARRAY_AGG(name ORDER BY id LIMIT 1) AS a FROM events
