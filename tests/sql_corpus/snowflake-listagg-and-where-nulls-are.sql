-- construct: LISTAGG and where nulls are
-- dialect: snowflake
-- rows: [["4132", "2314"]]
SELECT LISTAGG(id::varchar, '') WITHIN GROUP (ORDER BY qty) AS a, LISTAGG(id::varchar, '') WITHIN GROUP (ORDER BY qty DESC) AS b FROM events
