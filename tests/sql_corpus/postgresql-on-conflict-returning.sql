-- construct: ON CONFLICT … RETURNING
-- dialect: postgresql
-- refused (duckdb, postgresql, sqlite): INSERT
INSERT INTO t SELECT * FROM events ON CONFLICT (id) DO NOTHING RETURNING id
