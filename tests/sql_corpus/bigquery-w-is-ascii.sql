-- construct: \w is ASCII
-- dialect: bigquery
-- rows: [["elik"]]
SELECT REGEXP_EXTRACT(name, r'\w+') AS a FROM events WHERE id = 3
