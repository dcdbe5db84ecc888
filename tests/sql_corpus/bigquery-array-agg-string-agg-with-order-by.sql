-- construct: ARRAY_AGG, STRING_AGG with ORDER BY
-- dialect: bigquery
-- rows: [["Çelik /bob/Ann", [1, 2, 3, 4]]]
SELECT STRING_AGG(name, '/' ORDER BY id DESC) AS a, ARRAY_AGG(id ORDER BY id) AS b FROM events
