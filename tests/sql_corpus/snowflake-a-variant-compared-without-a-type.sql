-- construct: a VARIANT compared without a type
-- dialect: snowflake
-- refused (duckdb, postgresql, sqlite): a VARIANT compared or given on without a type
SELECT id FROM events WHERE payload:id = 1
