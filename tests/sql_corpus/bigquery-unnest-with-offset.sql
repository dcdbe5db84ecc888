-- construct: UNNEST WITH OFFSET
-- dialect: bigquery
-- refused (duckdb, postgresql, sqlite): UNNEST other than a plain cross join
SELECT tag FROM events, UNNEST(JSON_VALUE_ARRAY(payload, '$.tags')) AS tag WITH OFFSET AS at
