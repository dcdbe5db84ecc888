-- construct: SIMILAR TO
-- dialect: postgresql
-- rows: [[1], [2]]
-- refused (duckdb, sqlite): SIMILAR TO
SELECT id FROM events WHERE name SIMILAR TO '(A|b)%'
