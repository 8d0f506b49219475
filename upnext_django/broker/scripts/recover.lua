#!lua flags=allow-oom
-- Takes back jobs whose lease nobody renewed: crash + 1 and queued again, alone from the second crash on;
-- past max_crashes they fail as lost. A cancel that was asked for ends them.
-- KEYS: prefix
-- ARGS: history lease_ms max_crashes limit lost_ttl cancel_ttl
-- STATES: recovered active queued failed cancelled
-- USES: clock events ring enqueue leader limits finish takeback
-- After Redis was away, a clock jumped, or nobody looked for half a lease, it takes nothing for one whole lease:
-- until then live workers could not have renewed.
-- Returns the number of jobs taken back, and the ids of those among them that failed for good.
local lease = tonumber(lease_ms)
local seen = redis.call('HMGET', prefix .. 'recovery', 'last', 'grace')
local since = seen[1] and now - seen[1] or lease
if since >= 0 and since < lease / 30 then return {0} end
redis.call('HSET', prefix .. 'recovery', 'last', now)
if since < 0 or since > lease / 2 then
  redis.call('HSET', prefix .. 'recovery', 'grace', now + lease)
  return {0}
end
if seen[2] then
  -- A clock that went back must not leave a grace far in the future.
  if now < tonumber(seen[2]) and tonumber(seen[2]) - now <= lease then return {0} end
  redis.call('HDEL', prefix .. 'recovery', 'grace')
end
local taken = 0
for _, name in ipairs(redis.call('SMEMBERS', prefix .. 'streams')) do
  local stream = prefix .. name
  local pending = redis.pcall('XPENDING', stream, 'workers', 'IDLE', lease, '-', '+', limit - taken)
  if pending.err then
    redis.call('SREM', prefix .. 'streams', name)
  else
    for _, row in ipairs(pending) do
      local body = redis.call('XRANGE', stream, row[1], row[1])[1]
      if body then taken = taken + take_back(name, row[1], body[2][2]) else redis.call('XACK', stream, 'workers', row[1]) end
    end
    if #pending > 0 then free_up(name) end
  end
  if taken >= tonumber(limit) then break end
end
-- There may be more: the next pass need not wait.
if taken >= tonumber(limit) then redis.call('HSET', prefix .. 'recovery', 'last', now - math.ceil(lease / 30)) end
tell()
return {taken, unpack(died)}
