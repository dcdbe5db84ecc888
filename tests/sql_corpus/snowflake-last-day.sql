-- construct: LAST_DAY
-- dialect: snowflake
-- refused (duckdb, postgresql, sqlite): LAST_DAY
SELECT LAST_DAY(day) AS a FROM events
