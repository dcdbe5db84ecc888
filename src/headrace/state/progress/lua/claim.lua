-- owner, microseconds of the lease
local id = redis.call('ZRANGEBYSCORE', 'headrace:running', '-inf', text(now), 'LIMIT', 0, 1)[1]
  or redis.call('ZRANGE', 'headrace:queued', 0, 0)[1]
if not id then return {} end
redis.call('ZREM', 'headrace:queued', id)
redis.call('ZADD', 'headrace:running', text(now + ARGV[2]), id)
redis.call('HSET', key_of(id), 'status', 'running', 'owner', ARGV[1], 'updated_at', text(now))
if redis.call('HGET', key_of(id), 'started_at') == '0' then redis.call('HSET', key_of(id), 'started_at', text(now)) end
return redis.call('HGETALL', key_of(id))
