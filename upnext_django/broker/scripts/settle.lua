#!lua flags=allow-oom
-- Ends attempts: acknowledges, moves the job, keeps the ending, answers waiters, appends the event. All or nothing per job.
-- The value of a cache key's leader is kept for the next ones and ends those that wait for it.
-- KEYS: prefix
-- ARGS: history most_hits items*
-- STATES: settled handed_back cache_hit active queued retrying complete failed cancelled
-- USES: clock events ring enqueue leader limits finish hit
-- An item is eight values: id token target delay_ms ttl_ms data kept ("" keeps data) cached ("" for nothing, else
-- "<ms> <ending of a hit>"). Target queued is a hand-back.
-- Returns for each item the job's new status, "MISSING" or "STALE" (another attempt owns the job, or it ended).
local answers, done = {}, {}
-- Of those parked jobs a call ends most_hits, so that Redis is not held up; hand_on() wakes the next one, whose claim
-- is a hit and does the same.
local hits_left = tonumber(most_hits)
local function hit_parked(line, value)
  while hits_left > 0 do
    local id = redis.call('ZPOPMIN', line)[1]
    if not id then return end
    if redis.call('EXISTS', prefix .. 'job:' .. id) == 1 then hit(id, value) end
    hits_left = hits_left - 1
  end
end
local function remember(fn, digest, cached, is_unsaved, ttl)
  local lasts, ending = string.match(cached, '^(%d+) (.*)$')
  local key, value = prefix .. 'cache:' .. fn .. ':' .. digest, {ending, false, ttl}
  redis.call('DEL', key)
  redis.call('HSET', key, 'data', ending, 'ttl', ttl)
  if is_unsaved then
    value[2] = '{"cache_hit":true}'
    redis.call('HSET', key, 'kept', value[2])
  end
  redis.call('PEXPIRE', key, lasts)
  hit_parked(prefix .. 'parked:' .. fn .. ':' .. digest, value)
end
for i = items_from, #ARGV, 8 do
  local id, token, target, delay, ttl, data, kept, cached = unpack(ARGV, i, i + 7)
  local job = prefix .. 'job:' .. id
  local v = redis.call('HMGET', job, 'state', 'token', 'seq', 'stream', 'entry', 'key', 'reply', 'cancel', 'attempts', 'handbacks', 'cache')
  if not v[1] then
    answers[#answers + 1] = 'MISSING'
  elseif v[1] ~= active or v[2] ~= token then
    answers[#answers + 1] = 'STALE'
  else
    local name, seq = v[4], v[3] + 1
    if v[8] and target ~= complete then target = cancelled end
    done[name] = done[name] or {}
    table.insert(done[name], v[5])
    if target == retrying then
      local due = now + delay
      redis.call('HSET', job, 'state', retrying, 'run_at', due, 'seq', seq)
      redis.call('HDEL', job, 'entry', 'first')
      schedule(id, due, function_of(name))
      told(id, seq, settled, retrying, token, due, data)
    elseif target == queued then
      local to = front(name)
      redis.call('HSET', job, 'state', queued, 'stream', to, 'entry', enqueue(id, to), 'seq', seq,
        'attempts', v[9] - 1, 'handbacks', (v[10] or 0) + 1)
      told(id, seq, handed_back, queued, token, 0, data)
    else
      local fn, digest = function_of(name), v[11]
      if digest and cached ~= '' and target == complete and redis.call('HGET', prefix .. 'leaders:' .. fn, digest) == id then
        remember(fn, digest, cached, kept ~= '', ttl)
      end
      if kept == '' then kept = data end
      finish(id, name, target, kept, data, seq, ttl, v[6], v[7], digest)
      redis.call('HDEL', job, 'entry')
      told(id, seq, settled, target, token, ttl, kept)
    end
    answers[#answers + 1] = target
  end
end
for name, entries in pairs(done) do
  redis.call('XACK', prefix .. name, 'workers', unpack(entries))
  redis.call('XDEL', prefix .. name, unpack(entries))
  free_up(name)
end
tell()
return answers
