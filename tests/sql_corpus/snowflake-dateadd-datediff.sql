-- construct: DATEADD, DATEDIFF
-- dialect: snowflake
-- rows: [["2024-02-01", "2024-02-29", 30]]
SELECT DATEADD(day, 1, day) AS a, DATEADD(month, 1, day) AS b, DATEDIFF(day, day, '2024-03-01'::date) AS c FROM events WHERE id = 1
