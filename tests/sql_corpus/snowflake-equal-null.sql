-- construct: EQUAL_NULL
-- dialect: snowflake
-- refused (duckdb, postgresql, sqlite): EQUAL_NULL
SELECT EQUAL_NULL(qty, NULL) AS c FROM events
