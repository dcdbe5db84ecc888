-- construct: concat_ws, initcap, lpad
-- dialect: postgresql
-- rows: [["Bob-**bob"]]
-- refused (duckdb, sqlite): LPAD or RPAD
SELECT concat_ws('-', initcap(name), lpad(name, 5, '*')) AS a FROM events WHERE id = 2
