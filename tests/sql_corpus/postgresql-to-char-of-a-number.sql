-- construct: to_char of a number
-- dialect: postgresql
-- rows: [["  10.50"]]
-- refused (duckdb, sqlite): a formatted float
SELECT to_char(amount, '999.99') AS a FROM events WHERE id = 1
