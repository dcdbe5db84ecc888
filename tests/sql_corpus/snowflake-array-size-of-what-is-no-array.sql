-- construct: ARRAY_SIZE of what is no array
-- dialect: snowflake
-- rows: [[1, null], [2, null], [3, null]]
SELECT id, ARRAY_SIZE(payload:who) AS a FROM events WHERE id < 4
