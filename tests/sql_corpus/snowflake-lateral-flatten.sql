-- construct: LATERAL FLATTEN
-- dialect: snowflake
-- rows: [[1, "x"], [1, "y"], [3, "z"]]
SELECT id, f.value:sku::string AS sku FROM events, LATERAL FLATTEN(input => payload:items) f
