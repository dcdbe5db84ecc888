-- org ('': any), score and id of the last one seen ('': none), pipeline ('': any), limit, then statuses: queued, running.
-- Gives the requests, newest first, as one JSON text
local org, score, id, pipeline, limit = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4], tonumber(ARGV[5])
local found = {}
for number = 6, #ARGV do
  for _, one in ipairs(redis.call('ZRANGE', 'headrace:' .. ARGV[number], 0, -1)) do
    local is = redis.call('HMGET', key_of(one), 'org', 'pipeline', 'created_at')
    local created = tonumber(is[3])
    local older = not score or created < score or (created == score and one < id)
    if older and (org == '' or is[1] == org) and (pipeline == '' or is[2] == pipeline) then
      found[#found + 1] = {created, one}
    end
  end
end
table.sort(found, function(a, b) return a[1] > b[1] or (a[1] == b[1] and a[2] > b[2]) end)
local shown = {}
for number = 1, math.min(#found, limit) do shown[number] = redis.call('HGETALL', key_of(found[number][2])) end
return cjson.encode(shown)
