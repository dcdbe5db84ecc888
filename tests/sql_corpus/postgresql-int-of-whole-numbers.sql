-- construct: ::int, / of whole numbers, %
-- dialect: postgresql
-- rows: [[7, 1, 1], [7, -3, -1]]
SELECT '7'::int AS a, qty / 2 AS b, qty % 2 AS c FROM events WHERE id IN (1, 4)
