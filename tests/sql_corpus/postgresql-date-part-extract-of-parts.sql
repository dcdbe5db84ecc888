-- construct: date_part, extract of parts
-- dialect: postgresql
-- rows: [[2024, 1, 5]]
SELECT extract(year from day)::int AS a, extract(quarter from at)::int AS b, extract(week from day)::int AS c FROM events WHERE id = 1
