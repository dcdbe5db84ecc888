-- construct: JSON_EXTRACT_SCALAR, JSON_VALUE
-- dialect: bigquery
-- rows: [[1, "1", "Ann", null, null], [2, "2", "bob", null, null], [3, "3", null, null, "true"], [4, null, null, null, null]]
SELECT id, JSON_EXTRACT_SCALAR(payload, '$.id') AS a, JSON_VALUE(payload, '$.who.name') AS b, JSON_VALUE(payload, '$.who') AS c, JSON_VALUE(payload, '$.ok') AS d FROM events
