-- construct: ILIKE
-- dialect: snowflake
-- rows: [[1]]
SELECT id FROM events WHERE name ILIKE 'a%'
