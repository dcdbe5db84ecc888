-- construct: APPROX_COUNT_DISTINCT
-- dialect: bigquery
-- refused (duckdb, postgresql, sqlite): APPROX_COUNT_DISTINCT
SELECT APPROX_COUNT_DISTINCT(id) AS a FROM events
