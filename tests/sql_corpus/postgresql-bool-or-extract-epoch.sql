-- construct: bool_or, EXTRACT(EPOCH)
-- dialect: postgresql
-- rows: [[true, false]]
SELECT bool_or(active) AS a, bool_and(active) AS b FROM events
