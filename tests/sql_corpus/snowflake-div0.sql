-- construct: DIV0
-- dialect: snowflake
-- rows: [[1, 0.0, 5.25], [2, 0.0, 10.0], [3, null, null], [4, 0.0, -1.25]]
SELECT id, DIV0(amount, 0) AS a, DIV0(amount, 2) AS b FROM events
