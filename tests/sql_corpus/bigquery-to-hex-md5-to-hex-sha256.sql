-- construct: TO_HEX(MD5), TO_HEX(SHA256)
-- dialect: bigquery
-- rows: [["82e335f7ac0e0e412b2ae15abe662110", "17239b6e250110330eda64a29c610bf146f89883371fab093feda03bec61b646"]]
SELECT TO_HEX(MD5(name)) AS a, TO_HEX(SHA256(name)) AS b FROM events WHERE id = 1
