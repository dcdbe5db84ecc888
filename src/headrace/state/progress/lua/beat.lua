-- owner, microseconds of the lease, then ids
local held = {}
for number = 3, #ARGV do
  local id = ARGV[number]
  if holds(id, ARGV[1]) then
    redis.call('ZADD', 'headrace:running', text(now + ARGV[2]), id)
    held[#held + 1] = id
  end
end
return held
