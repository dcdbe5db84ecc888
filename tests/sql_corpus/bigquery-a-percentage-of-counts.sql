-- construct: a percentage of counts
-- dialect: bigquery
-- rows: [[50.0, 2]]
SELECT ROUND(100 * COUNTIF(active) / COUNT(*), 1) AS a, SUM(CASE WHEN active THEN 1 ELSE 0 END) AS b FROM events
