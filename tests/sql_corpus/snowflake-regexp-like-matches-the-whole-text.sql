-- construct: REGEXP_LIKE matches the whole text
-- dialect: snowflake
-- refused (duckdb, postgresql, sqlite): REGEXP_LIKE
SELECT REGEXP_LIKE(name, 'A.*') AS a FROM events
