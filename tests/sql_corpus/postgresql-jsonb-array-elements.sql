-- construct: jsonb_array_elements
-- dialect: postgresql
-- rows: [[1, "x"], [1, "y"], [3, "z"]]
SELECT id, item->>'sku' AS sku FROM events, json_array_elements(payload->'items') AS e(item)
