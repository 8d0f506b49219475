#!lua flags=allow-oom
-- Pauses or resumes a function, or with fn "" the whole queue. What waits stays; what runs goes on.
-- KEYS: prefix
-- ARGS: fn paused
-- USES: ring enqueue limits
-- Returns 1 if this changed anything.
local changed
if fn == '' then
  if paused == '1' then
    changed = redis.call('SETNX', prefix .. 'paused', '1')
  else
    changed = redis.call('DEL', prefix .. 'paused')
  end
elseif paused == '1' then
  changed = redis.call('HSET', prefix .. 'function:' .. fn, 'paused', '1')
else
  changed = redis.call('HDEL', prefix .. 'function:' .. fn, 'paused')
end
if paused ~= '1' then
  for _, name in ipairs(redis.call('SMEMBERS', prefix .. 'streams')) do
    local own = function_of(name)
    if fn == '' then ring(own) elseif own == fn then unblock(name) end
  end
end
return changed
