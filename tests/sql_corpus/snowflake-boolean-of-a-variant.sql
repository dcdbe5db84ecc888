-- construct: ::boolean of a VARIANT
-- dialect: snowflake
-- rows: [[1, null], [2, null], [3, 1], [4, null]]
SELECT id, payload:ok::boolean AS a FROM events
