-- construct: ROUND, FLOOR, CEIL, ABS
-- dialect: bigquery
-- rows: [[-3.0, 2.35, -3.0, -2.0, 2.5]]
SELECT ROUND(amount) AS a, ROUND(2.345, 2) AS b, FLOOR(amount) AS c, CEIL(amount) AS d, ABS(amount) AS e FROM events WHERE id = 4
