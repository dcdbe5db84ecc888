-- construct: = ANY(ARRAY[…])
-- dialect: postgresql
-- rows: [[1], [2]]
-- refused (duckdb, sqlite): ARRAY[…]
SELECT id FROM events WHERE id = ANY(ARRAY[1, 2])
