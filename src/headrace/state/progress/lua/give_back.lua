-- id, owner
if not holds(ARGV[1], ARGV[2]) then return 0 end
redis.call('HSET', key_of(ARGV[1]), 'status', 'queued', 'owner', '', 'updated_at', text(now))
wait(ARGV[1])
return 1
