-- construct: FLATTEN with outer
-- dialect: snowflake
-- refused (duckdb, postgresql, sqlite): LATERAL
SELECT id, f.value::string AS a FROM events, LATERAL FLATTEN(input => payload:tags, outer => true) f
