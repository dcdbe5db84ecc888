-- construct: DISTINCT ON
-- dialect: postgresql
-- rows: [[true, 4], [false, 2], [null, 3]]
SELECT DISTINCT ON (active) active, id FROM events ORDER BY active, id DESC
