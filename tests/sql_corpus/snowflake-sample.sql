-- construct: SAMPLE
-- dialect: snowflake
-- refused (duckdb, postgresql, sqlite): SAMPLE
SELECT id FROM events SAMPLE (10)
