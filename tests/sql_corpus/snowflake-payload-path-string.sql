-- construct: payload:path::string
-- dialect: snowflake
-- rows: [[1, "1", "Ann", 2], [2, "2", "bob", null], [3, "3", null, 5], [4, null, null, null]]
SELECT id, payload:id::string AS a, payload:who.name::varchar AS b, payload:items[0].n::int AS c FROM events
