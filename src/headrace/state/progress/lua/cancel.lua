-- id
local id = ARGV[1]
local status = status_of(id)
if status == 'queued' then
  redis.call('HSET', key_of(id), 'status', 'cancelled', 'cancel', '1', 'finished_at', text(now), 'updated_at', text(now))
  ended(id, text(now))
elseif status == 'running' then
  redis.call('HSET', key_of(id), 'cancel', '1', 'updated_at', text(now))
else
  return 0
end
return 1
