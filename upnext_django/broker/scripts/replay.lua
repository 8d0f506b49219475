#!lua
-- Makes a new job from a failed or cancelled one: the new one is queued, the old one is no dead letter any more.
-- KEYS: prefix
-- ARGS: history max_events old id fn lane digest key parent envelope shown cache ttl
-- STATES: submitted queued failed cancelled
-- USES: clock events ring enqueue
-- Digest "" keeps the old job's; shown "" is the envelope. The old key lives for another ttl ms.
-- Returns "ACCEPTED", "EXISTS" (this id was made before), "MISSING", "REPLAYED <id>", "DISCARDED", "DUPLICATE <winner>"
-- (its key belongs to a live job) or the status that forbids it; or {"BACKPRESSURE", events waiting}.
local job, source = prefix .. 'job:' .. id, prefix .. 'job:' .. old
if redis.call('EXISTS', job) == 1 then return 'EXISTS' end
if history == '1' then
  local waiting = redis.call('XLEN', prefix .. 'events')
  if waiting >= tonumber(max_events) then return {'BACKPRESSURE', waiting} end
end
local v = redis.call('HMGET', source, 'state', 'stream', 'replayed', 'discarded', 'duplicate_of')
if v[5] then return 'DUPLICATE ' .. v[5] end
if not v[1] then return 'MISSING' end
if v[1] ~= failed and v[1] ~= cancelled then return v[1] end
if v[3] then return 'REPLAYED ' .. v[3] end
if v[4] then return 'DISCARDED' end
local keys = prefix .. 'keys:' .. fn
if key ~= '' then
  local owner = redis.call('HGET', keys, key)
  if owner then return 'DUPLICATE ' .. owner end
  redis.call('HSET', keys, key, id)
end
local tail = string.match(v[2], '^stream:[^:]+:%d(.*)$') or string.match(v[2], '^suspects:[^:]+(.*)$')
if digest ~= '' then tail = ':' .. digest end
local name = 'stream:' .. fn .. ':' .. lane .. tail
redis.call('HSET', job, 'stream', name, 'env', envelope, 'created', now, 'seq', 1, 'state', queued, 'entry', enqueue(id, name))
if key ~= '' then redis.call('HSET', job, 'key', key) end
if cache ~= '' then redis.call('HSET', job, 'cache', cache) end
if parent ~= '' then
  redis.call('SADD', prefix .. 'children:' .. parent, id)
  redis.call('PEXPIRE', prefix .. 'children:' .. parent, 86400000)
end
redis.call('ZREM', prefix .. 'dead:' .. fn, old)
redis.call('HSET', source, 'replayed', id)
-- A key without a TTL has an ending that is not mirrored; the mirror gives it one.
if redis.call('PTTL', source) > 0 then redis.call('PEXPIRE', source, ttl) end
if shown == '' then shown = envelope end
told(id, 1, submitted, queued, 0, 0, shown)
tell()
return 'ACCEPTED'
