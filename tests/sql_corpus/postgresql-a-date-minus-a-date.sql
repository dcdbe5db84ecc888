-- construct: a date minus a date
-- dialect: postgresql
-- rows: [[30], [59], [60], [null]]
-- refused (duckdb, sqlite): a time plus or minus a value that is no INTERVAL
SELECT day - DATE '2024-01-01' AS a FROM events
