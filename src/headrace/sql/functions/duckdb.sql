-- name: json_text
CASE WHEN json_type({0}, {1}) IN ('OBJECT', 'ARRAY') THEN NULL ELSE json_extract_string({0}, {1}) END

-- name: json_any_text
json_extract_string({0}, {1})

-- name: json_part
json_extract({0}, {1})

-- name: json_parse
CAST({0} AS JSON)

-- name: json_length
CAST(json_array_length({0}, {1}) AS BIGINT)

-- name: array_or_null
CASE WHEN json_type({0}) = 'ARRAY' THEN {0} END

-- name: array_unless_object
CASE json_type({0}) WHEN 'ARRAY' THEN {0} WHEN 'OBJECT' THEN error('a JSON object where an array is unnested') END

-- name: array_or_fail
CASE WHEN json_type({0}) = 'ARRAY' THEN {0} WHEN json_type({0}) <> 'NULL' THEN error('JSON that is no array where one is unnested') END

-- name: json_object
json_object({*})

-- name: json_object_without_nulls
json_merge_patch('{}', json_object({*}))

-- name: items
(SELECT UNNEST(json_extract({0}, '$[*]')) AS "value")

-- name: timestamp
CAST({0} AS TIMESTAMPTZ)

-- name: date
CAST({0} AS DATE)

-- name: timestamp_trunc
CAST(date_trunc({0}, CAST({1} AS TIMESTAMPTZ)) AS TIMESTAMPTZ)

-- name: date_trunc
CAST(date_trunc({0}, CAST({1} AS DATE)) AS DATE)

-- name: timestamp_add
(CAST({1} AS TIMESTAMPTZ) + CAST({2} AS INTEGER) * CAST('1 ' || {0} AS INTERVAL))

-- name: date_add
CAST(CAST({1} AS DATE) + CAST({2} AS INTEGER) * CAST('1 ' || {0} AS INTERVAL) AS DATE)

-- name: boundaries
date_diff({0}, CAST({2} AS DATE), CAST({1} AS DATE))

-- name: elapsed
date_sub({0}, CAST({2} AS TIMESTAMPTZ), CAST({1} AS TIMESTAMPTZ))

-- name: part
CAST(date_part({0}, CAST({1} AS TIMESTAMPTZ)) AS BIGINT)

-- name: unix_seconds
CAST(floor(epoch(CAST({0} AS TIMESTAMPTZ))) AS BIGINT)

-- name: of_unix_seconds
to_timestamp(CAST({0} AS BIGINT))

-- name: format_time
strftime(CAST({0} AS TIMESTAMPTZ), {1})

-- name: parse_date
CAST(strptime({0}, {1}) AS DATE)

-- name: to_int
CAST(round(CAST(CAST({0} AS VARCHAR) AS DECIMAL(38, 18))) AS BIGINT)

-- name: bool_to_int
CAST({0} AS BIGINT)

-- name: try_int
TRY_CAST(CASE WHEN regexp_full_match(trim(CAST({0} AS VARCHAR)), '[+-]?[0-9]+') THEN {0} END AS BIGINT)

-- name: to_float
CAST({0} AS DOUBLE)

-- name: try_float
TRY_CAST(CASE WHEN regexp_full_match(trim(CAST({0} AS VARCHAR)), '[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?') THEN {0} END AS DOUBLE)

-- name: to_decimal
CAST(CAST({0} AS VARCHAR) AS DECIMAL(38, 9))

-- name: to_text
CAST({0} AS VARCHAR)

-- name: bool_to_text
CASE WHEN {0} THEN 'true' WHEN NOT {0} THEN 'false' END

-- name: text_to_bool
CASE WHEN {0} IS NULL THEN NULL WHEN lower({0}) = 'true' THEN TRUE WHEN lower({0}) = 'false' THEN FALSE ELSE error('not a boolean') END

-- name: divide
(CASE WHEN {0} IS NULL THEN NULL WHEN {1} = 0 THEN error(concat('division by zero: ', {0})) ELSE CAST({0} AS DOUBLE) / CAST({1} AS DOUBLE) END)

-- name: divide_or_null
(CAST({0} AS DOUBLE) / NULLIF(CAST({1} AS DOUBLE), 0))

-- name: divide_int
(CASE WHEN {0} IS NULL THEN NULL WHEN {1} = 0 THEN error(concat('division by zero: ', {0})) ELSE CAST({0} AS BIGINT) // CAST({1} AS BIGINT) END)

-- name: modulo
(CASE WHEN {0} IS NULL THEN NULL WHEN {1} = 0 THEN error(concat('division by zero: ', {0})) ELSE CAST({0} AS BIGINT) % CAST({1} AS BIGINT) END)

-- name: round
CASE WHEN abs({0}) < 1e16 THEN CAST(CAST(round(CAST(CAST({0} AS VARCHAR) AS DECIMAL(38, 20)), {1}) AS VARCHAR) AS DOUBLE)
  ELSE CAST({0} AS DOUBLE) END

-- name: floor
CAST(floor({0}) AS DOUBLE)

-- name: ceil
CAST(ceil({0}) AS DOUBLE)

-- name: sum_int
CAST(sum({0}) AS BIGINT)

-- name: sum_float
sum(CAST({0} AS DOUBLE))

-- name: avg
avg(CAST({0} AS DOUBLE))

-- name: any_true
bool_or({0})

-- name: all_true
bool_and({0})

-- name: count_if
count(CASE WHEN {0} THEN 1 END)

-- name: join_texts
string_agg({0}, {1})

-- name: join_texts_asc
string_agg({0}, {1} ORDER BY {2} ASC NULLS LAST, {0})

-- name: join_texts_asc_nulls_first
string_agg({0}, {1} ORDER BY {2} ASC NULLS FIRST, {0})

-- name: join_texts_desc
string_agg({0}, {1} ORDER BY {2} DESC NULLS LAST, {0})

-- name: join_texts_desc_nulls_first
string_agg({0}, {1} ORDER BY {2} DESC NULLS FIRST, {0})

-- name: array_asc
to_json(list({0} ORDER BY {1} ASC NULLS LAST, {0} ASC NULLS LAST))

-- name: array_asc_nulls_first
to_json(list({0} ORDER BY {1} ASC NULLS FIRST, {0} ASC NULLS LAST))

-- name: array_desc
to_json(list({0} ORDER BY {1} DESC NULLS LAST, {0} ASC NULLS LAST))

-- name: array_desc_nulls_first
to_json(list({0} ORDER BY {1} DESC NULLS FIRST, {0} ASC NULLS LAST))

-- name: greatest
greatest({*})

-- name: least
least({*})

-- name: lower
lower({0})

-- name: upper
replace(upper(replace({0}, 'ß', chr(57344))), chr(57344), 'ß')

-- name: trim
trim({0}, {1})

-- name: ltrim
ltrim({0}, {1})

-- name: rtrim
rtrim({0}, {1})

-- name: length
length({0})

-- name: substring
substr({0}, {1})

-- name: substring_for
substr({0}, {1}, {2})

-- name: replace
replace({0}, {1}, {2})

-- name: starts_with
starts_with({0}, {1})

-- name: ends_with
ends_with({0}, {1})

-- name: position
CAST(instr({0}, {1}) AS BIGINT)

-- name: split_part
split_part({0}, {1}, {2})

-- name: like
({0} LIKE {1})

-- name: ilike
({0} ILIKE {1})

-- name: regexp_contains
regexp_matches({0}, {1})

-- name: regexp_extract
nullif(regexp_extract({0}, {1}, {2}), '')

-- name: regexp_replace
regexp_replace({0}, {1}, {2}, 'g')

-- name: md5
md5({0})

-- name: sha256
sha256({0})

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
CAST({0} AS BIGINT)

-- name: to_int_even
CAST(round_even(CAST({0} AS DOUBLE), 0) AS BIGINT)

-- name: round_even
round_even(CAST({0} AS DOUBLE), 0)
