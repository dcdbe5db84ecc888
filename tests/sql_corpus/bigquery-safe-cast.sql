-- construct: SAFE_CAST
-- dialect: bigquery
-- rows: [[12, null, 1.5, null]]
SELECT SAFE_CAST('12' AS INT64) AS a, SAFE_CAST('x' AS INT64) AS b, SAFE_CAST('1.5' AS FLOAT64) AS c, SAFE_CAST('' AS FLOAT64) AS d
