-- construct: MERGE
-- dialect: snowflake
-- refused (duckdb, postgresql, sqlite): MERGE
MERGE INTO t USING events e ON t.id = e.id WHEN MATCHED THEN UPDATE SET t.name = e.name
