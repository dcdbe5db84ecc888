-- construct: UNION ALL, UNION DISTINCT
-- dialect: bigquery
-- rows: [[-7], [1], [2], [3], [3], [4], [7], [null]]
SELECT id FROM events UNION ALL (SELECT qty FROM events UNION DISTINCT SELECT 3)
