-- construct: TABLE(FLATTEN)
-- dialect: snowflake
-- refused (duckdb, postgresql, sqlite): TABLE(…)
SELECT id, f.value::string AS a FROM events, TABLE(FLATTEN(input => payload:tags)) f
