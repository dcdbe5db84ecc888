-- construct: AVG of whole numbers
-- dialect: snowflake
-- refused (duckdb, postgresql, sqlite): AVG of exact numbers
SELECT AVG(qty) AS a FROM events
