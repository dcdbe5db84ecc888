-- construct: MD5 as bytes
-- dialect: bigquery
-- refused (duckdb, postgresql, sqlite): MD5
SELECT MD5(name) AS a FROM events
