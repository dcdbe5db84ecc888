-- construct: QUALIFY
-- dialect: bigquery
-- rows: [[4], [2], [3]]
SELECT id FROM events QUALIFY ROW_NUMBER() OVER (PARTITION BY active ORDER BY id DESC) = 1
