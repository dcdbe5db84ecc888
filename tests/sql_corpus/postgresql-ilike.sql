-- construct: ILIKE, ~, ~*
-- dialect: postgresql
-- rows: [[1, 1, 1], [2, 0, 0], [3, 0, 0], [4, null, null]]
SELECT id, name ILIKE 'ANN' AS a, name ~ '^[A-C]' AS b FROM events
