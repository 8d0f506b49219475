-- withdraw(id, move, error, ttl): ends a job that waits (scheduled, queued, parked or retrying) as cancelled.
-- Returns nothing to the caller: the caller has checked the state.
local function withdraw(id, move, data, ttl)
  local job = prefix .. 'job:' .. id
  local v = redis.call('HMGET', job, 'stream', 'entry', 'seq', 'key', 'reply', 'token', 'expires', 'cache')
  if v[2] then
    redis.call('XDEL', prefix .. v[1], v[2])
    free_up(v[1])
  elseif v[8] then
    redis.call('ZREM', prefix .. 'parked:' .. function_of(v[1]) .. ':' .. v[8], id)
  end
  redis.call('ZREM', prefix .. 'scheduled', id)
  if v[7] then redis.call('ZREM', prefix .. 'expiring', id) end
  local seq = v[3] + 1
  finish(id, v[1], cancelled, data, data, seq, ttl, v[4], v[5], v[8])
  redis.call('HDEL', job, 'entry')
  told(id, seq, move, cancelled, v[6] or 0, ttl, data)
end
