-- id, how many stay, how many came, then the last of them
local id, keep = ARGV[1], tonumber(ARGV[2])
if not status_of(id) then return 0 end
local list = 'headrace:events:' .. id
for number = 4, #ARGV do redis.call('RPUSH', list, ARGV[number]) end
redis.call('LTRIM', list, -keep, -1)
return redis.call('HINCRBY', key_of(id), 'last_event', ARGV[3])
