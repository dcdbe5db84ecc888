-- construct: QUALIFY with a tie-break
-- dialect: snowflake
-- rows: [[1, "Ann"], [2, "bob"]]
SELECT id, name FROM events QUALIFY RANK() OVER (ORDER BY id) <= 2
