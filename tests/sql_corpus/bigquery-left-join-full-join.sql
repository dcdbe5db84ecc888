-- construct: LEFT JOIN, FULL JOIN
-- dialect: bigquery
-- rows: [[1, 3, null], [2, null, null], [3, null, null], [4, null, null], [null, null, 9]]
SELECT a.id, b.id AS other, c.id AS third FROM events a LEFT JOIN events b ON a.qty = b.id FULL JOIN (SELECT 9 AS id) c ON c.id = a.id
