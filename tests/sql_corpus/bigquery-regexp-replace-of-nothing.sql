-- construct: REGEXP_REPLACE of nothing
-- dialect: bigquery
-- refused (duckdb, postgresql, sqlite): REGEXP_REPLACE of a pattern that matches nothing at all
SELECT REGEXP_REPLACE(name, r'x*', '-') AS a FROM events
