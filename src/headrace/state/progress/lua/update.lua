-- id, owner, '1' when it ends, then names and values
local id, owner, ends = ARGV[1], ARGV[2], ARGV[3] == '1'
if not holds(id, owner) then return 0 end
local set = {updated_at = text(now)}
if ends then set['finished_at'] = text(now) end
for number = 4, #ARGV, 2 do set[ARGV[number]] = ARGV[number + 1] end
if set['progress'] then
  local before = tonumber(redis.call('HGET', key_of(id), 'progress'))
  local given = tonumber(set['progress'])
  if not given or (before and before > given) then set['progress'] = nil end
end
if ends then set['owner'] = '' end
for name, value in pairs(set) do redis.call('HSET', key_of(id), name, value) end
if ends then ended(id, set['finished_at']) end
return 1
