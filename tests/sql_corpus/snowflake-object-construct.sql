-- construct: OBJECT_CONSTRUCT
-- dialect: snowflake
-- rows: [[{"a": 1, "b": "Ann"}]]
SELECT OBJECT_CONSTRUCT('a', id, 'b', name) AS o FROM events WHERE id = 1
