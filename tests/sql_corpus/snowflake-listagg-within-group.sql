-- construct: LISTAGG WITHIN GROUP
-- dialect: snowflake
-- rows: [["Ann,bob,Çelik "]]
SELECT LISTAGG(name, ',') WITHIN GROUP (ORDER BY id) AS a FROM events
