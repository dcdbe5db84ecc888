local now = redis.call('TIME')
now = now[1] * 1000000 + now[2]

local function text(number)
  return string.format('%.0f', number)
end

local function key_of(id)
  return 'headrace:request:' .. id
end

local function status_of(id)
  return redis.call('HGET', key_of(id), 'status')
end

local function holds(id, owner)
  local found = redis.call('HMGET', key_of(id), 'status', 'owner')
  return found[1] == 'running' and found[2] == owner
end

local function busy(scope)
  return scope ~= '' and redis.call('HGET', 'headrace:scopes', scope)
end

local function take_scope(id, scope)
  if scope ~= '' then redis.call('HSET', 'headrace:scopes', scope, id) end
end

local function ended(id, finished_at)
  local found = redis.call('HMGET', key_of(id), 'scope', 'org')
  if busy(found[1]) == id then redis.call('HDEL', 'headrace:scopes', found[1]) end
  redis.call('ZREM', 'headrace:queued', id)
  redis.call('ZREM', 'headrace:running', id)
  redis.call('ZADD', 'headrace:ended', finished_at, id)
  redis.call('ZADD', 'headrace:ended:' .. found[2], finished_at, id)
end

local function wait(id)
  redis.call('ZREM', 'headrace:running', id)
  redis.call('ZADD', 'headrace:queued', text(now), id)
end

local function keep(id, org, created_at, key, ...)
  redis.call('HSET', key_of(id), 'last_event', '0', 'key', key, ...)
  redis.call('ZADD', 'headrace:requests', created_at, id)
  redis.call('ZADD', 'headrace:requests:' .. org, created_at, id)
end
