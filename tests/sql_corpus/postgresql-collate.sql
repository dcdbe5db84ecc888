-- construct: COLLATE
-- dialect: postgresql
-- rows: [[1]]
-- refused (duckdb, sqlite): COLLATE
SELECT id FROM events WHERE name COLLATE "C" < 'b'
