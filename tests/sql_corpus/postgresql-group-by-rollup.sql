-- construct: GROUP BY ROLLUP
-- dialect: postgresql
-- rows: [[true, 2], [false, 1], [null, 1], [null, 4]]
-- refused (duckdb, sqlite): GROUP BY ROLLUP
SELECT active, count(*) AS n FROM events GROUP BY ROLLUP (active)
