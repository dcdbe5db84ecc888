-- construct: SUBSTR, REPLACE, CONCAT, ||
-- dialect: bigquery
-- rows: [["nn", "An", "Amm", "Ann-1", "Ann!"], [null, null, null, null, null]]
SELECT SUBSTR(name, 2) AS a, SUBSTR(name, 1, 2) AS b, REPLACE(name, 'n', 'm') AS c, CONCAT(name, '-', CAST(id AS STRING)) AS d, name || '!' AS e FROM events WHERE id IN (1, 4)
