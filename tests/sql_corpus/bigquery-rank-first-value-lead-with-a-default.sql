-- construct: RANK, FIRST_VALUE, LEAD with a default
-- dialect: bigquery
-- rows: [[1, 1, "Ann", null], [2, 1, "Ann", 7], [3, 1, "Ann", -7], [4, 2, "Ann", 0]]
SELECT id, RANK() OVER (PARTITION BY active ORDER BY qty DESC) AS a, FIRST_VALUE(name) OVER (ORDER BY id) AS b, LEAD(qty, 1, 0) OVER (ORDER BY id) AS c FROM events
