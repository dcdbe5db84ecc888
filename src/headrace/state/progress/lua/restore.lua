-- id, owner, microseconds of the lease, org, scope, created_at, then names and values
local id, owner, org, scope, created_at = ARGV[1], ARGV[2], ARGV[4], ARGV[5], ARGV[6]
local status = status_of(id)
if not status then
  if busy(scope) then return 0 end
  keep(id, org, created_at, '', unpack(ARGV, 7))
elseif not (status == 'queued' or holds(id, owner)) then
  return 0
end
take_scope(id, scope)
redis.call('ZREM', 'headrace:queued', id)
redis.call('ZADD', 'headrace:running', text(now + ARGV[3]), id)
redis.call('HSET', key_of(id), 'status', 'running', 'owner', owner, 'updated_at', text(now))
return 1
