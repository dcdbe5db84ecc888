-- name: json_text
CASE WHEN json_typeof(CAST({0} AS json) #> {1}) IN ('object', 'array') THEN NULL ELSE CAST({0} AS json) #>> {1} END

-- name: json_any_text
(CAST({0} AS json) #>> {1})

-- name: json_part
(CAST({0} AS json) #> {1})

-- name: json_parse
CAST({0} AS json)

-- name: json_length
CAST(json_array_length(CAST({0} AS json) #> {1}) AS bigint)

-- name: array_or_null
CASE WHEN json_typeof({0}) = 'array' THEN {0} END

-- name: array_unless_object
CASE WHEN json_typeof({0}) IN ('array', 'object') THEN {0} END

-- name: array_or_fail
CASE WHEN json_typeof({0}) <> 'null' THEN {0} END

-- name: json_object
json_build_object({*})

-- name: json_object_without_nulls
json_strip_nulls(json_build_object({*}))

-- name: items
(SELECT value FROM json_array_elements(CAST({0} AS json)) AS e(value))

-- name: timestamp
CAST({0} AS timestamptz)

-- name: date
CAST({0} AS date)

-- name: timestamp_trunc
date_trunc({0}, CAST({1} AS timestamptz))

-- name: date_trunc
CAST(date_trunc({0}, CAST({1} AS timestamp)) AS date)

-- name: timestamp_add
(CAST({1} AS timestamptz) + CAST({2} AS integer) * CAST('1 ' || {0} AS interval))

-- name: date_add
CAST(CAST({1} AS date) + CAST({2} AS integer) * CAST('1 ' || {0} AS interval) AS date)

-- name: boundaries
(CASE {0} WHEN 'day' THEN CAST({1} AS date) - CAST({2} AS date)
  WHEN 'month' THEN CAST((extract(year FROM CAST({1} AS date)) - extract(year FROM CAST({2} AS date))) * 12
    + extract(month FROM CAST({1} AS date)) - extract(month FROM CAST({2} AS date)) AS bigint)
  ELSE CAST(extract(year FROM CAST({1} AS date)) - extract(year FROM CAST({2} AS date)) AS bigint) END)

-- name: elapsed
CAST(trunc(extract(epoch FROM CAST({1} AS timestamptz) - CAST({2} AS timestamptz))
  / CASE {0} WHEN 'day' THEN 86400 WHEN 'hour' THEN 3600 WHEN 'minute' THEN 60 ELSE 1 END) AS bigint)

-- name: part
CAST(floor(date_part({0}, CAST({1} AS timestamptz))) AS bigint)

-- name: unix_seconds
CAST(floor(extract(epoch FROM CAST({0} AS timestamptz))) AS bigint)

-- name: of_unix_seconds
to_timestamp(CAST({0} AS bigint))

-- name: format_time
to_char(CAST({0} AS timestamptz), {1})

-- name: parse_date
to_date({0}, {1})

-- name: to_int
CAST(round(CAST(CAST({0} AS text) AS numeric)) AS bigint)

-- name: bool_to_int
CAST(CAST({0} AS integer) AS bigint)

-- name: try_int
CAST(CASE WHEN trim(CAST({0} AS text)) ~ '^[+-]?[0-9]{1,18}$' THEN {0} END AS bigint)

-- name: to_float
CAST({0} AS double precision)

-- name: try_float
CAST(CASE WHEN trim(CAST({0} AS text)) ~ '^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$' THEN {0} END AS double precision)

-- name: to_decimal
CAST(CAST({0} AS text) AS numeric(38, 9))

-- name: to_text
CAST({0} AS text)

-- name: bool_to_text
CASE WHEN {0} THEN 'true' WHEN NOT {0} THEN 'false' END

-- name: text_to_bool
CASE lower({0}) WHEN 'true' THEN TRUE WHEN 'false' THEN FALSE ELSE CAST({0} AS boolean) END

-- name: divide
(CAST({0} AS double precision) / CAST({1} AS double precision))

-- name: divide_or_null
(CAST({0} AS double precision) / NULLIF(CAST({1} AS double precision), 0))

-- name: divide_int
(CAST({0} AS bigint) / CAST({1} AS bigint))

-- name: modulo
(CAST({0} AS bigint) % CAST({1} AS bigint))

-- name: round
CAST(round(CAST(CAST({0} AS text) AS numeric), {1}) AS double precision)

-- name: floor
CAST(floor({0}) AS double precision)

-- name: ceil
CAST(ceil({0}) AS double precision)

-- name: sum_int
CAST(sum({0}) AS bigint)

-- name: sum_float
sum(CAST({0} AS double precision))

-- name: avg
avg(CAST({0} AS double precision))

-- name: any_true
bool_or({0})

-- name: all_true
bool_and({0})

-- name: count_if
count(CASE WHEN {0} THEN 1 END)

-- name: join_texts
string_agg({0}, {1})

-- name: join_texts_asc
string_agg({0}, {1} ORDER BY {2} ASC NULLS LAST, {0} COLLATE "C")

-- name: join_texts_asc_nulls_first
string_agg({0}, {1} ORDER BY {2} ASC NULLS FIRST, {0} COLLATE "C")

-- name: join_texts_desc
string_agg({0}, {1} ORDER BY {2} DESC NULLS LAST, {0} COLLATE "C")

-- name: join_texts_desc_nulls_first
string_agg({0}, {1} ORDER BY {2} DESC NULLS FIRST, {0} COLLATE "C")

-- name: array_asc
json_agg({0} ORDER BY {1} ASC NULLS LAST, {2} ASC NULLS LAST)

-- name: array_asc_nulls_first
json_agg({0} ORDER BY {1} ASC NULLS FIRST, {2} ASC NULLS LAST)

-- name: array_desc
json_agg({0} ORDER BY {1} DESC NULLS LAST, {2} ASC NULLS LAST)

-- name: array_desc_nulls_first
json_agg({0} ORDER BY {1} DESC NULLS FIRST, {2} ASC NULLS LAST)

-- name: greatest
greatest({*})

-- name: least
least({*})

-- name: lower
lower({0})

-- name: upper
upper({0})

-- name: trim
btrim({0}, {1})

-- name: ltrim
ltrim({0}, {1})

-- name: rtrim
rtrim({0}, {1})

-- name: length
CAST(char_length({0}) AS bigint)

-- name: substring
substr({0}, {1})

-- name: substring_for
substr({0}, {1}, {2})

-- name: replace
replace({0}, {1}, {2})

-- name: starts_with
starts_with({0}, {1})

-- name: ends_with
(right({0}, char_length({1})) = {1})

-- name: position
CAST(strpos({0}, {1}) AS bigint)

-- name: split_part
split_part({0}, {1}, {2})

-- name: like
({0} LIKE {1} ESCAPE '')

-- name: ilike
({0} ILIKE {1} ESCAPE '')

-- name: regexp_contains
({0} ~ {1})

-- name: regexp_extract
nullif((regexp_match({0}, {1}))[1], '')

-- name: regexp_replace
regexp_replace({0}, {1}, {2}, 'g')

-- name: md5
md5({0})

-- name: sha256
encode(sha256(convert_to({0}, 'UTF8')), 'hex')

-- name: concat
({| || })

-- name: distinct_from
({0} IS DISTINCT FROM {1})

-- name: not_distinct_from
({0} IS NOT DISTINCT FROM {1})

-- name: round_decimal
round({0}, {1})

-- name: sum_plain
sum({0})

-- name: whole
CAST({0} AS bigint)

-- name: to_int_even
CAST(CAST({0} AS double precision) AS bigint)

-- name: round_even
round(CAST({0} AS double precision))
