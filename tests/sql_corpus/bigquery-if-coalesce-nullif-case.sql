-- construct: IF, COALESCE, NULLIF, CASE
-- dialect: bigquery
-- rows: [["up", 3, null, 1], ["down", 0, null, 0], ["up", 7, 7, null], ["down", -7, -7, 1]]
SELECT IF(qty > 0, 'up', 'down') AS a, COALESCE(qty, 0) AS b, NULLIF(qty, 3) AS c, CASE WHEN active THEN 1 WHEN NOT active THEN 0 END AS d FROM events
