-- construct: TABLESAMPLE
-- dialect: bigquery
-- refused (duckdb, postgresql, sqlite): SAMPLE
SELECT id FROM events TABLESAMPLE SYSTEM (10 PERCENT)
