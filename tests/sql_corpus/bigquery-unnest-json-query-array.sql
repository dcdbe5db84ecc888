-- construct: UNNEST(JSON_QUERY_ARRAY)
-- dialect: bigquery
-- rows: [[1, "x", 2], [1, "y", 1], [3, "z", 5]]
SELECT id, JSON_VALUE(item, '$.sku') AS sku, CAST(JSON_VALUE(item, '$.n') AS INT64) AS n FROM events CROSS JOIN UNNEST(JSON_QUERY_ARRAY(payload, '$.items')) AS item
