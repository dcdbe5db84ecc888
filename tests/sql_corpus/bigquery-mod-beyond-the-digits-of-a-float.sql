-- construct: MOD beyond the digits of a float
-- dialect: bigquery
-- rows: [[1, -1]]
SELECT MOD(id + 9007199254740992, 2) AS a, MOD(-7, 3) AS b FROM events WHERE id = 1
