-- construct: EXCEPT DISTINCT, INTERSECT DISTINCT
-- dialect: bigquery
-- rows: [[1], [2], [4]]
SELECT id FROM events EXCEPT DISTINCT (SELECT id FROM events INTERSECT DISTINCT SELECT qty FROM events)
