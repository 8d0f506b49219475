#!lua flags=allow-oom
-- Says which functions a worker knows and how they are limited, and forgets the capabilities that nobody
-- claimed for a minute.
-- KEYS: prefix
-- ARGS: capability announce items*
-- USES: clock ring enqueue limits
-- An item is four values: function cap rate window_ms ("" for no limit). Limits are written when the capability
-- is new or announce is "1": by a worker that starts, so that the newest deploy wins.
-- Returns 1 if the capability was new here.
redis.call('ZADD', prefix .. 'capabilities', now, capability)
local known = prefix .. 'capability:' .. capability
local fresh = redis.call('EXISTS', known) == 0
local function limit(fn, ...)
  local old, new, changed = limits_of(fn), {...}, false
  for i, name in ipairs({'cap', 'rate', 'window'}) do
    if (old[i + 1] or '') ~= new[i] then
      changed = true
      if new[i] == '' then redis.call('HDEL', prefix .. 'function:' .. fn, name)
      else redis.call('HSET', prefix .. 'function:' .. fn, name, new[i]) end
    end
  end
  if changed then
    for _, name in ipairs(redis.call('SMEMBERS', prefix .. 'streams')) do
      if function_of(name) == fn then unblock(name) end
    end
  end
end
for i = items_from, #ARGV, 4 do
  local fn, cap, rate, window = unpack(ARGV, i, i + 3)
  if fresh then
    redis.call('SADD', known, fn)
    redis.call('SADD', prefix .. 'knows:' .. fn, capability)
  end
  if fresh or announce == '1' then limit(fn, cap, rate, window) end
end
-- Work may have waited for somebody who knows it.
if fresh then
  local bell = prefix .. 'bell:' .. capability
  if redis.call('EXISTS', bell) == 0 then redis.call('RPUSH', bell, '1') end
end
for _, old in ipairs(redis.call('ZRANGEBYSCORE', prefix .. 'capabilities', '-inf', now - 60000)) do
  for _, fn in ipairs(redis.call('SMEMBERS', prefix .. 'capability:' .. old)) do
    redis.call('SREM', prefix .. 'knows:' .. fn, old)
  end
  redis.call('DEL', prefix .. 'capability:' .. old, prefix .. 'bell:' .. old)
  redis.call('ZREM', prefix .. 'capabilities', old)
end
return fresh and 1 or 0
