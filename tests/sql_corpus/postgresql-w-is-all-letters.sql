-- construct: \w is all letters
-- dialect: postgresql
-- rows: [[3]]
-- refused (duckdb, sqlite): a regular expression that engines read differently
SELECT id FROM events WHERE name ~ '^\w+ $'
