-- finish(): the end of a job, whoever brings it: state, ending, key, dead letter, replies, the lead of its cache key.
-- The event (told) and the stream entry are the caller's, who knows where the job was.
-- No key expires before its terminal event is mirrored; without history it expires from now.
local function finish(id, name, status, kept, data, seq, ttl, key, reply, cache)
  local job = prefix .. 'job:' .. id
  redis.call('HSET', job, 'state', status, 'completed', now, 'ending', kept, 'seq', seq)
  if history ~= '1' then redis.call('PEXPIRE', job, ttl) end
  local fn = string.match(name, '^%a+:([^:]+)')
  if key then
    local keys = prefix .. 'keys:' .. fn
    if redis.call('HGET', keys, key) == id then redis.call('HDEL', keys, key) end
  end
  if status == failed then
    redis.call('ZADD', prefix .. 'dead:' .. fn, now, id)
    redis.call('ZREMRANGEBYSCORE', prefix .. 'dead:' .. fn, '-inf', now - ttl)
  end
  if reply then
    for client in string.gmatch(reply, '[^,]+') do
      local box = prefix .. 'replies:' .. client
      redis.call('XADD', box, '*', 'j', id, 's', status, 't', now, 'd', data)
      redis.call('PEXPIRE', box, 3600000)
    end
  end
  if cache then hand_on(id, fn, cache) end
end
