-- construct: extract(epoch)
-- dialect: postgresql
-- rows: [[1709251199.5]]
-- refused (duckdb, sqlite): EXTRACT(EPOCH)
SELECT extract(epoch from at) AS a FROM events WHERE id = 2
