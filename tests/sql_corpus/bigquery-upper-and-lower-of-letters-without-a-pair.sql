-- construct: UPPER and LOWER of letters without a pair
-- dialect: bigquery
-- rows: [["STRAßE", "iz"]]
SELECT UPPER('straße') AS a, LOWER('İz') AS b
