-- construct: STRUCT
-- dialect: bigquery
-- refused (duckdb, postgresql, sqlite): STRUCT
SELECT STRUCT(1 AS a) AS s
