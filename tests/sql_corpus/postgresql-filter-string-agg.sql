-- construct: FILTER, string_agg
-- dialect: postgresql
-- rows: [[2, "Ann,bob,Çelik "]]
SELECT count(*) FILTER (WHERE qty > 0) AS a, string_agg(name, ',' ORDER BY id) AS b FROM events
