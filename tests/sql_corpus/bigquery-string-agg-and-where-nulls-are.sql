-- construct: STRING_AGG and where nulls are
-- dialect: bigquery
-- rows: [["2413", "3142", [4, 1, 3, 2]]]
SELECT STRING_AGG(CAST(id AS STRING), '' ORDER BY qty) AS a, STRING_AGG(CAST(id AS STRING), '' ORDER BY qty DESC) AS b, ARRAY_AGG(id ORDER BY qty NULLS LAST) AS c FROM events
