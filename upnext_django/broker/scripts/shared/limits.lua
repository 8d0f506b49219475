-- What bounds a function: paused, cap (jobs that run at once) and rate (starts in a window of ms), over the whole
-- cluster and per limit key. The pending lists of its streams are the running jobs, so no counter can leak. A
-- partition that may not start anything stays in ready with a score no read reaches, until something frees it.
local BLOCKED = 9e15
local limits = {}
local function limits_of(fn)
  if not limits[fn] then
    limits[fn] = redis.call('HMGET', prefix .. 'function:' .. fn, 'paused', 'cap', 'rate', 'window')
  end
  return limits[fn]
end
-- The names of the streams that share a place in the cap with this one.
local function beside(name)
  local fn = string.match(name, '^%a+:([^:]+)')
  local tail = string.match(name, '^stream:[^:]+:%d(.*)$') or string.match(name, '^suspects:[^:]+(.*)$')
  local names = {'suspects:' .. fn .. tail}
  for lane = 0, 2 do names[lane + 2] = 'stream:' .. fn .. ':' .. lane .. tail end
  return names
end
local function running(name)
  local count = 0
  for _, other in ipairs(beside(name)) do
    local pending = redis.pcall('XPENDING', prefix .. other, 'workers')
    if not pending.err then count = count + pending[1] end
  end
  return count
end
local function unblock(name)
  local lane, partition = partition_of(name)
  local score = redis.call('ZSCORE', prefix .. 'ready:' .. lane, partition)
  if score and tonumber(score) >= BLOCKED then
    redis.call('ZADD', prefix .. 'ready:' .. lane, redis.call('GET', prefix .. 'turn') or 0, partition)
    ring(function_of(name))
  end
end
-- A job left this stream: whoever waited for its place may come, and a key's stream goes with its last job.
local function free_up(name)
  if limits_of(function_of(name))[2] then
    for _, other in ipairs(beside(name)) do unblock(other) end
  end
  if string.find(name, '^stream:[^:]+:%d:.') or string.find(name, '^suspects:[^:]+:.') then
    if redis.call('XLEN', prefix .. name) == 0 then
      local lane, partition = partition_of(name)
      redis.call('DEL', prefix .. name)
      redis.call('SREM', prefix .. 'streams', name)
      redis.call('ZREM', prefix .. 'ready:' .. lane, partition)
      redis.call('ZREM', prefix .. 'throttled', name)
      made_ready[name] = nil
    end
  end
end
