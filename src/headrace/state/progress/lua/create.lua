-- id, org, idempotency key, scope, created_at ('0': now), then names and values
local id, org, key, scope, created_at = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local made = key ~= '' and redis.call('HGET', 'headrace:keys:' .. org, key) or id
if redis.call('EXISTS', key_of(made)) == 1 then
  return {'made', redis.call('HGETALL', key_of(made))}
end
local other = busy(scope)
if other then return {'busy', other} end
if created_at == '0' then created_at = text(now) end
keep(id, org, created_at, key, unpack(ARGV, 6))
redis.call('HSET', key_of(id), 'created_at', created_at)
if redis.call('HGET', key_of(id), 'updated_at') == '0' then redis.call('HSET', key_of(id), 'updated_at', text(now)) end
if key ~= '' then redis.call('HSET', 'headrace:keys:' .. org, key, id) end
take_scope(id, scope)
redis.call('ZADD', 'headrace:queued', created_at, id)
return {'made', redis.call('HGETALL', key_of(id))}
