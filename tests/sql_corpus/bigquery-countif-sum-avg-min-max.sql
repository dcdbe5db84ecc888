-- construct: COUNTIF, SUM, AVG, MIN, MAX
-- dialect: bigquery
-- rows: [[4, 2, 3, 9.333333333333334, "2024-01-31", "Çelik "]]
SELECT COUNT(*) AS a, COUNTIF(qty > 0) AS b, SUM(qty) AS c, AVG(amount) AS d, MIN(day) AS e, MAX(name) AS f FROM events
