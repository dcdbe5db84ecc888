-- construct: PARSE_JSON
-- dialect: snowflake
-- rows: [[1]]
SELECT PARSE_JSON('{"a": {"b": 1}}'):a.b::int AS x
