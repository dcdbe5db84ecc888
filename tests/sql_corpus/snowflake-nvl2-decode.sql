-- construct: NVL2, DECODE
-- dialect: snowflake
-- refused (duckdb, postgresql, sqlite): DECODE
SELECT id, NVL2(qty, 1, 0) AS a, DECODE(name, 'Ann', 1, 'bob', 2, 0) AS b FROM events
