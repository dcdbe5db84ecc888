-- construct: IS DISTINCT FROM
-- dialect: postgresql
-- rows: [[3]]
SELECT id FROM events WHERE qty IS DISTINCT FROM 3 AND active IS NOT DISTINCT FROM NULL
