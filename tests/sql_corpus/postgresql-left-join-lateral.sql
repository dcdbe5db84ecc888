-- construct: LEFT JOIN LATERAL
-- dialect: postgresql
-- rows: [[1, "x"], [1, "y"], [2, null], [3, "z"], [4, null]]
-- refused (duckdb, sqlite): LATERAL
SELECT id, t.item->>'sku' AS v FROM events LEFT JOIN LATERAL json_array_elements(payload->'items') AS t(item) ON true
