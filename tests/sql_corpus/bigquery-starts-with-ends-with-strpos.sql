-- construct: STARTS_WITH, ENDS_WITH, STRPOS
-- dialect: bigquery
-- rows: [[true, false, 2], [false, true, 0]]
SELECT STARTS_WITH(name, 'A') AS a, ENDS_WITH(name, 'b') AS b, STRPOS(name, 'n') AS c FROM events WHERE id < 3
