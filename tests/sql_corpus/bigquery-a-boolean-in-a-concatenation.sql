-- construct: a boolean in a concatenation
-- dialect: bigquery
-- rows: [["Anntrue", "Anntrue"], ["bobfalse", "bobfalse"]]
SELECT name || active AS a, CONCAT(name, active) AS b FROM events WHERE id < 3
