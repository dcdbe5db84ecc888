-- construct: YEAR, MONTH, DAY
-- dialect: snowflake
-- rows: [[1, 2024, 1, 31], [2, 2024, 2, 29], [3, 2024, 3, 1], [4, null, null, null]]
SELECT id, YEAR(day) AS a, MONTH(at) AS b, DAY(day) AS c FROM events
