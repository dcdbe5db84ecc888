-- construct: UNNEST(JSON_VALUE_ARRAY)
-- dialect: bigquery
-- rows: [[1, "a"], [1, "b"], [3, "c"]]
SELECT id, tag FROM events, UNNEST(JSON_VALUE_ARRAY(payload, '$.tags')) AS tag
