-- construct: SPLIT_PART, CONTAINS, STARTSWITH, CHARINDEX
-- dialect: snowflake
-- rows: [[1, "A", 1, 1, 2], [2, "bob", 0, 0, 0], [3, "Çelik ", 0, 0, 0], [4, null, null, null, null]]
SELECT id, SPLIT_PART(name, 'n', 1) AS a, CONTAINS(name, 'n') AS b, STARTSWITH(name, 'A') AS c, CHARINDEX('n', name) AS d FROM events
