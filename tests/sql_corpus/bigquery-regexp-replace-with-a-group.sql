-- construct: REGEXP_REPLACE with a group
-- dialect: bigquery
-- refused (duckdb, postgresql, sqlite): REGEXP_REPLACE other than every match by a plain text
SELECT REGEXP_REPLACE(name, r'([a-z])', r'<\1>') AS a FROM events
