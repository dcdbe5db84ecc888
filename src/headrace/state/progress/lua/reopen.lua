-- id
local id = ARGV[1]
local found = redis.call('HMGET', key_of(id), 'status', 'scope', 'org')
if not found[1] or found[1] == 'queued' or found[1] == 'running' then return {'no'} end
local other = busy(found[2])
if other then return {'busy', other} end
redis.call('HSET', key_of(id), 'status', 'queued', 'cancel', '0', 'error', '', 'remedy', '', 'owner', '',
  'finished_at', '0', 'updated_at', text(now))
redis.call('ZREM', 'headrace:ended', id)
redis.call('ZREM', 'headrace:ended:' .. found[3], id)
take_scope(id, found[2])
wait(id)
return {'yes'}
