-- construct: PARSE_TIMESTAMP
-- dialect: bigquery
-- refused (duckdb, postgresql, sqlite): PARSE_TIMESTAMP
SELECT PARSE_TIMESTAMP('%Y-%m-%d', '2024-01-02') AS a
