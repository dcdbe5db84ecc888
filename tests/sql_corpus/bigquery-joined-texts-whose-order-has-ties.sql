-- construct: joined texts whose order has ties
-- dialect: bigquery
-- rows: [["Ann|bob|Çelik ", [3, 7, null]]]
SELECT STRING_AGG(name, '|' ORDER BY id * 0) AS a, ARRAY_AGG(qty ORDER BY id * 0 DESC) AS b FROM events WHERE id < 4
