-- construct: a whole number of more than 64 bits
-- dialect: bigquery
-- refused (duckdb, postgresql, sqlite): a whole number of more than 64 bits
SELECT 12345678901234567890 AS a
