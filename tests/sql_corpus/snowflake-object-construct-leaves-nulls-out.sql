-- construct: OBJECT_CONSTRUCT leaves nulls out
-- dialect: snowflake
-- rows: [[{"b": false, "c": 10000000000000020.0}], [{"a": -7, "b": true, "c": 9999999999999998.0}]]
SELECT OBJECT_CONSTRUCT('a', qty, 'b', active, 'c', amount + 10000000000000000.0) AS o FROM events WHERE id IN (2, 4)
