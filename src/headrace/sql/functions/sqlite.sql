-- name: json_text
CASE json_type({0}, {1}) WHEN 'text' THEN {0} ->> {1} WHEN 'null' THEN NULL WHEN 'object' THEN NULL WHEN 'array' THEN NULL
  ELSE {0} -> {1} END

-- name: json_any_text
CASE json_type({0}, {1}) WHEN 'text' THEN {0} ->> {1} WHEN 'null' THEN NULL ELSE {0} -> {1} END

-- name: json_part
({0} -> {1})

-- name: json_parse
json({0})

-- name: json_length
json_array_length({0}, {1})

-- name: array_or_null
CASE WHEN json_type({0}) = 'array' THEN {0} END

-- name: array_unless_object
CASE json_type({0}) WHEN 'array' THEN {0} WHEN 'object' THEN headrace_no_array({0}) END

-- name: array_or_fail
CASE WHEN json_type({0}) = 'array' THEN {0} WHEN json_type({0}) <> 'null' THEN headrace_no_array({0}) END

-- name: json_object
json_object({*})

-- name: json_object_without_nulls
json_patch('{}', json_object({*}))

-- name: json_bool
json(CASE WHEN {0} THEN 'true' WHEN NOT {0} THEN 'false' END)

-- name: json_float
json(headrace_json_float({0}))

-- name: exact
headrace_exact({0})

-- name: items
json_each({0})

-- name: timestamp
headrace_timestamp({0})

-- name: date
headrace_date({0})

-- name: timestamp_trunc
headrace_timestamp_trunc({0}, {1})

-- name: date_trunc
headrace_date(headrace_timestamp_trunc({0}, {1}))

-- name: timestamp_add
headrace_timestamp_add({0}, {1}, {2})

-- name: date_add
headrace_date(headrace_timestamp_add({0}, {1}, {2}))

-- name: boundaries
headrace_boundaries({0}, {1}, {2})

-- name: elapsed
headrace_elapsed({0}, {1}, {2})

-- name: part
headrace_part({0}, {1})

-- name: unix_seconds
headrace_unix_seconds({0})

-- name: of_unix_seconds
headrace_of_unix_seconds({0})

-- name: format_time
headrace_format_time({0}, {1})

-- name: parse_date
headrace_parse_date({0}, {1})

-- name: to_int
headrace_to_int({0})

-- name: bool_to_int
CAST({0} AS INTEGER)

-- name: try_int
headrace_try_int({0})

-- name: to_float
headrace_to_float({0})

-- name: try_float
headrace_try_float({0})

-- name: to_text
CAST({0} AS TEXT)

-- name: bool_to_text
CASE WHEN {0} THEN 'true' WHEN NOT {0} THEN 'false' END

-- name: text_to_bool
headrace_to_bool({0})

-- name: divide
headrace_divide({0}, {1})

-- name: divide_or_null
(CAST({0} AS REAL) / NULLIF({1}, 0))

-- name: divide_int
headrace_divide_int({0}, {1})

-- name: modulo
headrace_modulo({0}, {1})

-- name: round
headrace_round({0}, {1})

-- name: floor
headrace_floor({0})

-- name: ceil
headrace_ceil({0})

-- name: sum_int
sum({0})

-- name: sum_float
sum(CAST({0} AS REAL))

-- name: avg
avg({0})

-- name: any_true
max({0})

-- name: all_true
min({0})

-- name: count_if
count(CASE WHEN {0} THEN 1 END)

-- name: join_texts
group_concat({0}, {1})

-- name: join_texts_asc
headrace_join({0}, {1}, {2}, 0)

-- name: join_texts_asc_nulls_first
headrace_join({0}, {1}, {2}, 2)

-- name: join_texts_desc
headrace_join({0}, {1}, {2}, 1)

-- name: join_texts_desc_nulls_first
headrace_join({0}, {1}, {2}, 3)

-- name: array_asc
headrace_array({0}, {1}, 0)

-- name: array_asc_nulls_first
headrace_array({0}, {1}, 2)

-- name: array_desc
headrace_array({0}, {1}, 1)

-- name: array_desc_nulls_first
headrace_array({0}, {1}, 3)

-- name: greatest
headrace_greatest({*})

-- name: least
headrace_least({*})

-- name: lower
headrace_lower({0})

-- name: upper
headrace_upper({0})

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
(substr({0}, 1, length({1})) = {1})

-- name: ends_with
headrace_ends_with({0}, {1})

-- name: position
instr({0}, {1})

-- name: split_part
headrace_split_part({0}, {1}, {2})

-- name: like
headrace_like({0}, {1}, 0)

-- name: ilike
headrace_like({0}, {1}, 1)

-- name: regexp_contains
headrace_regexp_contains({0}, {1})

-- name: regexp_extract
headrace_regexp_extract({0}, {1}, {2})

-- name: regexp_replace
headrace_regexp_replace({0}, {1}, {2})

-- name: md5
headrace_md5({0})

-- name: sha256
headrace_sha256({0})

-- name: concat
({| || })

-- name: distinct_from
({0} IS NOT {1})

-- name: not_distinct_from
({0} IS {1})

-- name: sum_plain
sum({0})

-- name: whole
CAST({0} AS INTEGER)

-- name: to_int_even
headrace_round_even({0})

-- name: round_even
CAST(headrace_round_even({0}) AS REAL)
