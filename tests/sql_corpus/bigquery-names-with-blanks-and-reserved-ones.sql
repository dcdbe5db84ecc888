-- construct: names with blanks, and reserved ones
-- dialect: bigquery
-- rows: [[1, "Ann", 3]]
SELECT id, name AS `the name`, qty AS `select` FROM events WHERE id = 1
