-- construct: avg of floats
-- dialect: postgresql
-- rows: [[9.333333333, 1.0]]
SELECT avg(amount) AS a, avg(qty::float) AS b FROM events
