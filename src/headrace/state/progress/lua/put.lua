-- kind, name, body, version expected ('': any); a document is kept as its version, a line feed and its body
local key = 'headrace:documents:' .. ARGV[1]
local there = redis.call('HGET', key, ARGV[2])
local version = there and tonumber(string.match(there, '^%d+')) or 0
if ARGV[4] ~= '' and tonumber(ARGV[4]) ~= version then return 0 end
redis.call('HSET', key, ARGV[2], text(version + 1) .. '\n' .. ARGV[3])
return version + 1
