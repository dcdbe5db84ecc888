-- construct: TRY_TO_NUMBER rounds
-- dialect: snowflake
-- rows: [[2, null, 12]]
SELECT TRY_TO_NUMBER('1.5') AS a, TRY_TO_NUMBER('x') AS b, TRY_CAST('12' AS INTEGER) AS c
