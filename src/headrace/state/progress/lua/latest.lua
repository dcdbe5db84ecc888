-- org ('': any)
local org = ARGV[1]

local function fits(id)
  return org == '' or redis.call('HGET', key_of(id), 'org') == org
end

local latest, began = nil, -1
for _, id in ipairs(redis.call('ZRANGE', 'headrace:running', 0, -1)) do
  local started = tonumber(redis.call('HGET', key_of(id), 'started_at'))
  if fits(id) and (started > began or (started == began and id > latest)) then latest, began = id, started end
end
local first = 0
while not latest do
  local waiting = redis.call('ZREVRANGE', 'headrace:queued', first, first + 99)
  if #waiting == 0 then break end
  for _, id in ipairs(waiting) do
    if not latest and fits(id) then latest = id end
  end
  first = first + 100
end
latest = latest or redis.call('ZREVRANGE', org == '' and 'headrace:ended' or 'headrace:ended:' .. org, 0, 0)[1]
return latest and redis.call('HGETALL', key_of(latest)) or {}
