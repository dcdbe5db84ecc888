-- before, how many at most
local ids = redis.call('ZRANGEBYSCORE', 'headrace:ended', '-inf', '(' .. ARGV[1], 'LIMIT', 0, ARGV[2])
for _, id in ipairs(ids) do
  local found = redis.call('HMGET', key_of(id), 'org', 'key')
  if found[2] ~= '' then redis.call('HDEL', 'headrace:keys:' .. found[1], found[2]) end
  redis.call('DEL', key_of(id), 'headrace:events:' .. id)
  for _, index in ipairs({'headrace:requests', 'headrace:ended'}) do
    redis.call('ZREM', index, id)
    redis.call('ZREM', index .. ':' .. found[1], id)
  end
end
return #ids
