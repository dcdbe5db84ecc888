-- construct: CONCAT of a boolean
-- dialect: postgresql
-- rows: [["Annt"], ["bobf"], ["Çelik "], ["t"]]
-- refused (duckdb, sqlite): CONCAT of a boolean
SELECT concat(name, active) AS a FROM events
