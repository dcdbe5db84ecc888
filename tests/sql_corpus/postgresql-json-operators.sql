-- construct: ->, ->>, #>>
-- dialect: postgresql
-- rows: [[1, "Ann", "x"], [2, "bob", null], [3, null, "z"], [4, null, null]]
SELECT id, payload->'who'->>'name' AS a, payload #>> '{items,0,sku}' AS b FROM events
