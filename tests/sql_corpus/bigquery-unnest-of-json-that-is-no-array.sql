-- construct: UNNEST of JSON that is no array
-- dialect: bigquery
-- rows: []
SELECT id, n FROM events, UNNEST(JSON_QUERY_ARRAY(payload, '$.who')) AS n WHERE id = 1 OR id = 3
