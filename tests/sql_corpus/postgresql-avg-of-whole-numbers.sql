-- construct: avg of whole numbers
-- dialect: postgresql
-- rows: [[1.0]]
-- refused (duckdb, sqlite): AVG of exact numbers
SELECT avg(qty) AS a FROM events
