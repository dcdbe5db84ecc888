-- construct: arithmetic with decimal fractions
-- dialect: bigquery
-- rows: [[1, 3.5, 1.05, 0.3], [2, null, 2.0, 0.3], [3, 7.5, null, 0.3], [4, -6.5, -0.25, 0.3]]
SELECT id, qty + 0.5 AS a, amount * 0.1 AS b, 0.1 + 0.2 AS c FROM events
