-- construct: STRING_AGG and where nulls are
-- dialect: postgresql
-- rows: [["4132", "2314", [2, 4, 1, 3]]]
SELECT string_agg(id::text, '' ORDER BY qty) AS a, string_agg(id::text, '' ORDER BY qty DESC) AS b, array_agg(id ORDER BY qty NULLS FIRST) AS c FROM events
