-- construct: ~, split_part, position
-- dialect: postgresql
-- rows: [[1, true, "y", 2], [2, false, "y", 0]]
SELECT id, name ~ '^A' AS a, split_part('x,y', ',', 2) AS b, position('n' IN name) AS c FROM events WHERE id < 3
