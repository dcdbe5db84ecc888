-- construct: WITH, JOIN USING, GROUP BY an alias, HAVING
-- dialect: bigquery
-- rows: [["down", 2], ["up", 2]]
WITH a AS (SELECT id, qty FROM events), b AS (SELECT id, name FROM events)
SELECT IF(a.qty > 0, 'up', 'down') AS way, COUNT(*) AS n FROM a JOIN b USING (id) GROUP BY way HAVING COUNT(*) > 1 ORDER BY way
