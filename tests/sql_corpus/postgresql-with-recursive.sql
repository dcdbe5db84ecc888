-- construct: WITH RECURSIVE
-- dialect: postgresql
-- rows: [[1], [2], [3]]
WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT i FROM n
