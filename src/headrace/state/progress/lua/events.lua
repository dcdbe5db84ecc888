-- id, number of the last one seen, limit; gives the number of the first, and the events
local list = 'headrace:events:' .. ARGV[1]
local last = tonumber(redis.call('HGET', key_of(ARGV[1]), 'last_event') or '0')
local oldest = last - redis.call('LLEN', list) + 1
local first = math.max(ARGV[2] + 1, oldest)
if first > last then return {first, {}} end
return {first, redis.call('LRANGE', list, first - oldest, first - oldest + ARGV[3] - 1)}
