-- construct: VALUES as a table
-- dialect: postgresql
-- rows: [[1], [2]]
-- refused (duckdb, sqlite): VALUES
SELECT v FROM (VALUES (1), (2)) AS x(v)
