-- construct: NUMBER is a whole number
-- dialect: snowflake
-- rows: [[1, 1], [2, 2], [3, 3], [4, null]]
SELECT id, payload:id::number AS a FROM events
