-- construct: bool_or, bool_and
-- dialect: postgresql
-- rows: [[true, false]]
SELECT bool_or(active) AS a, bool_and(active) AS b FROM events
