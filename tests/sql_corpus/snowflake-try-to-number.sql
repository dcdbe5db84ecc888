-- construct: TRY_TO_NUMBER
-- dialect: snowflake
-- rows: [[12, null]]
SELECT TRY_TO_NUMBER('12') AS a, TRY_TO_NUMBER('x') AS b
