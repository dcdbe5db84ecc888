-- construct: division of exact numbers
-- dialect: snowflake
-- refused (duckdb, postgresql, sqlite): division of exact numbers
SELECT qty / 2 AS a FROM events
