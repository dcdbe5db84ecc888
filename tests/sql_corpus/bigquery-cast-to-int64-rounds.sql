-- construct: CAST to INT64 rounds
-- dialect: bigquery
-- rows: [[11], [20], [null], [-3]]
SELECT CAST(amount AS INT64) AS a FROM events
