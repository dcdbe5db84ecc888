-- construct: a float in a concatenation
-- dialect: bigquery
-- refused (duckdb, postgresql, sqlite): a float as part of a text
SELECT CONCAT(name, amount) AS a FROM events
