-- construct: GET_PATH, payload['who']
-- dialect: snowflake
-- rows: [[1, "Ann", "Ann"], [2, "bob", "bob"], [3, null, null], [4, null, null]]
SELECT id, GET_PATH(payload, 'who.name')::string AS a, payload['who']['name']::string AS b FROM events
