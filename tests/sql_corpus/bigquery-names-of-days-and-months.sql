-- construct: names of days and months
-- dialect: bigquery
-- refused (duckdb, postgresql, sqlite): a time format beyond year, month, day, hour, minute, second
SELECT FORMAT_DATE('%A', day) AS a FROM events
