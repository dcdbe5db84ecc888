-- construct: arithmetic with decimal fractions
-- dialect: postgresql
-- rows: [[0.3]]
-- refused (sqlite): an exact decimal on SQLite
SELECT 0.1 + 0.2 AS a
