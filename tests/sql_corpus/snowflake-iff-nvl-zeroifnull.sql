-- construct: IFF, NVL, ZEROIFNULL
-- dialect: snowflake
-- rows: [[0, 0, 0]]
SELECT IFF(qty > 0, 1, 0) AS a, NVL(qty, 0) AS b, ZEROIFNULL(qty) AS c FROM events WHERE id = 2
