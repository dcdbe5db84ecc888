-- construct: IN (subquery), EXISTS, a correlated subquery
-- dialect: bigquery
-- rows: [[1, 0, 0, 0], [2, 0, 0, 1], [3, 1, 1, 2], [4, 0, 0, 3]]
SELECT id, id IN (SELECT e.qty FROM events e WHERE e.qty IS NOT NULL) AS a, EXISTS (SELECT 1 FROM events e WHERE e.qty = events.id) AS b, (SELECT COUNT(*) FROM events e WHERE e.id < events.id) AS c FROM events
