-- hit(id, value): ends a queued job by the cached value, {data, kept, ttl} of its key's hash. The caller has taken
-- it from where it waited.
local function hit(id, value)
  local job = prefix .. 'job:' .. id
  local v = redis.call('HMGET', job, 'stream', 'seq', 'key', 'reply', 'token', 'expires', 'cache')
  local kept, seq, ttl = value[2] or value[1], v[2] + 1, value[3]
  if v[6] then redis.call('ZREM', prefix .. 'expiring', id) end
  finish(id, v[1], complete, kept, value[1], seq, ttl, v[3], v[4], v[7])
  redis.call('HDEL', job, 'entry')
  told(id, seq, cache_hit, complete, v[5] or 0, ttl, kept)
end
