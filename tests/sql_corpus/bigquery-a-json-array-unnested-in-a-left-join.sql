-- construct: a JSON array unnested in a LEFT JOIN
-- dialect: bigquery
-- refused (duckdb, postgresql, sqlite): UNNEST other than a plain cross join
SELECT id, tag FROM events LEFT JOIN UNNEST(JSON_VALUE_ARRAY(payload, '$.tags')) AS tag
