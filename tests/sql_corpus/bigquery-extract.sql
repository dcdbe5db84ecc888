-- construct: EXTRACT
-- dialect: bigquery
-- rows: [[2024, 2, 59, 60, "2024-02-29"]]
SELECT EXTRACT(YEAR FROM at) AS a, EXTRACT(MONTH FROM day) AS b, EXTRACT(SECOND FROM at) AS c, EXTRACT(DAYOFYEAR FROM day) AS d, EXTRACT(DATE FROM at) AS e FROM events WHERE id = 2
