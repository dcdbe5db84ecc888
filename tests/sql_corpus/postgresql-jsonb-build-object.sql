-- construct: jsonb_build_object
-- dialect: postgresql
-- rows: [[{"id": 2, "n": "bob"}]]
SELECT jsonb_build_object('id', id, 'n', name) AS o FROM events WHERE id = 2
