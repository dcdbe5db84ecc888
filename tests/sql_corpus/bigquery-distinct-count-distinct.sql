-- construct: DISTINCT, COUNT(DISTINCT)
-- dialect: bigquery
-- rows: [[2, 3, 3]]
SELECT COUNT(DISTINCT active) AS a, COUNT(active) AS b, (SELECT COUNT(*) FROM (SELECT DISTINCT active FROM events)) AS c FROM events
