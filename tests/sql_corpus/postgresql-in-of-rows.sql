-- construct: IN of rows
-- dialect: postgresql
-- rows: [[1], [3]]
SELECT id FROM events WHERE (id, qty) IN ((1, 3), (3, 7))
