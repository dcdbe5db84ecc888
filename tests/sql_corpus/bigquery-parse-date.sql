-- construct: PARSE_DATE
-- dialect: bigquery
-- rows: [["2024-02-29"]]
SELECT PARSE_DATE('%Y%m%d', '20240229') AS a
