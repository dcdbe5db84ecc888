-- construct: concat skips nulls, greatest skips nulls
-- dialect: postgresql
-- rows: [[1, "Ann!", 3], [2, "bob!", 1], [3, "Çelik !", 7], [4, "!", 1]]
SELECT id, concat(name, '!') AS a, greatest(qty, 1) AS b FROM events
