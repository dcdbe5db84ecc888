-- construct: a text compared with a number
-- dialect: bigquery
-- refused (duckdb, postgresql, sqlite): a text compared with a number
SELECT id FROM events WHERE name = 1
