-- construct: generate_series
-- dialect: postgresql
-- rows: [[1], [2]]
-- refused (duckdb, sqlite): GENERATE_SERIES
SELECT g FROM generate_series(1, 2) AS g
