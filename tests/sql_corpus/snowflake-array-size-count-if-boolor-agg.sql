-- construct: ARRAY_SIZE, COUNT_IF, BOOLOR_AGG
-- dialect: snowflake
-- rows: [[3, 2, 1]]
SELECT SUM(ARRAY_SIZE(payload:items)) AS a, COUNT_IF(active) AS b, BOOLOR_AGG(active) AS c FROM events
