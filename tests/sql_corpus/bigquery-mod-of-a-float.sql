-- construct: MOD of a float
-- dialect: bigquery
-- refused (duckdb, postgresql, sqlite): DIV or MOD of numbers with fractions
SELECT MOD(amount, 2) AS a FROM events
