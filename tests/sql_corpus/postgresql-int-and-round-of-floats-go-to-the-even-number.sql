-- construct: ::int and round of floats go to the even number
-- dialect: postgresql
-- rows: [[1, 10, 10.0], [2, 20, 20.0], [3, null, null], [4, -2, -2.0]]
SELECT id, amount::int AS a, round(amount) AS b FROM events
