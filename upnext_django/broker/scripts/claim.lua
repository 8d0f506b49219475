#!lua flags=allow-oom
-- Gives a worker up to `wanted` jobs: promotes what is due, drops what expired, reads the ready
-- partitions in rotation, fences each job (token + 1) and stamps it. A job whose result is cached ends here; one whose
-- result another job computes right now is parked.
-- KEYS: prefix
-- ARGS: history worker capability wanted slots lanes suspects expired_data expired_ttl
-- STATES: claimed promoted expired cache_hit queued active scheduled retrying complete cancelled failed
-- USES: clock events ring enqueue leader limits finish hit withdraw
-- A function with a limit gets no more than there are free slots: what it starts begins at once.
-- Returns "UNREGISTERED", or {now, next due ms or -1, 1 to look again or 2 when a slot is free, then for each
-- job: id stream entry token attempt first envelope checkpoint}.
local known = prefix .. 'capability:' .. capability
if redis.call('EXISTS', known) == 0 then return 'UNREGISTERED' end
for _, name in ipairs(redis.call('ZRANGEBYSCORE', prefix .. 'throttled', '-inf', now, 'LIMIT', 0, 100)) do
  redis.call('ZREM', prefix .. 'throttled', name)
  unblock(name)
end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', prefix .. 'expiring', '-inf', now, 'LIMIT', 0, 100)) do
  redis.call('ZREM', prefix .. 'expiring', id)
  local state = redis.call('HGET', prefix .. 'job:' .. id, 'state')
  if state == queued or state == scheduled then withdraw(id, expired, expired_data, expired_ttl) end
end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', prefix .. 'scheduled', '-inf', now, 'LIMIT', 0, 100)) do
  redis.call('ZREM', prefix .. 'scheduled', id)
  local job = prefix .. 'job:' .. id
  local v = redis.call('HMGET', job, 'state', 'stream', 'seq', 'token')
  if v[1] == scheduled or v[1] == retrying then
    redis.call('HSET', job, 'state', queued, 'entry', enqueue(id, v[2]), 'seq', v[3] + 1)
    told(id, v[3] + 1, promoted, queued, v[4] or 0, 0, '{}')
  end
end
local result, left, free, slots_left = {now, -1, 0}, nil, tonumber(wanted), tonumber(slots)
-- A function with a limit and work that found no free slot here.
local unslotted
local starts
-- Whether a job need not run: the cache answers it, or it waits until another one did. Else it leads its key.
local function spared(stream, entry, id, digest)
  local fn, job = function_of(stream), prefix .. 'job:' .. id
  local leaders = prefix .. 'leaders:' .. fn
  local value = redis.call('HMGET', prefix .. 'cache:' .. fn .. ':' .. digest, 'data', 'kept', 'ttl')
  local leader = redis.call('HGET', leaders, digest)
  if not value[1] then
    if leader == id then return false end
    local other = leader and redis.call('HMGET', prefix .. 'job:' .. leader, 'state', 'completed')
    -- A leader that is gone (a Redis that lost data) must not keep the others waiting.
    if not other or not other[1] or other[2] then
      redis.call('HSET', leaders, digest, id)
      return false
    end
  end
  redis.call('XACK', prefix .. stream, 'workers', entry)
  redis.call('XDEL', prefix .. stream, entry)
  if value[1] then
    hit(id, value)
  else
    redis.call('HDEL', job, 'entry')
    redis.call('ZADD', prefix .. 'parked:' .. fn .. ':' .. digest, now, id)
  end
  free_up(stream)
  return true
end
local by = '{"worker":"' .. worker .. '","attempt":'
local function take(stream, entry, id)
  local job = prefix .. 'job:' .. id
  local v = redis.call('HMGET', job, 'state', 'entry', 'attempts', 'token', 'seq', 'first', 'env', 'checkpoint', 'expires', 'cache')
  -- Read again because its group was made anew: it runs, and its lease says for how long.
  if v[1] == active and v[2] == entry then return end
  if v[1] ~= queued or v[2] ~= entry then
    redis.call('XACK', prefix .. stream, 'workers', entry)
    redis.call('XDEL', prefix .. stream, entry)
    return
  end
  if v[9] and tonumber(v[9]) <= now then
    redis.call('XACK', prefix .. stream, 'workers', entry)
    return withdraw(id, expired, expired_data, expired_ttl)
  end
  if v[10] and spared(stream, entry, id, v[10]) then return end
  if v[9] then
    redis.call('ZREM', prefix .. 'expiring', id)
    redis.call('HDEL', job, 'expires')
  end
  local attempt, token, first = (v[3] or 0) + 1, (v[4] or 0) + 1, v[6] or now
  redis.call('HSET', job, 'state', active, 'attempts', attempt, 'token', token, 'worker', worker, 'started', now,
    'first', first, 'seq', v[5] + 1)
  told(id, v[5] + 1, claimed, active, token, '0', by .. text(attempt) .. '}')
  local n = #result
  result[n + 1], result[n + 2], result[n + 3], result[n + 4] = id, stream, entry, token
  result[n + 5], result[n + 6], result[n + 7], result[n + 8] = attempt, first, v[7], v[8] or ''
  free = free - 1
  if starts then redis.call('ZADD', starts, now, id .. ':' .. token) end
end
-- How many more jobs of a partition its limits allow to start, and when the rate's window opens.
local function bound_of(name, partition)
  local limit = limits_of(function_of(name))
  local bound, opens = math.huge, nil
  starts = nil
  if limit[1] then return 0 end
  if limit[2] then bound = limit[2] - running(name) end
  if limit[3] then
    starts = prefix .. 'rate:' .. partition
    -- A clock that went back leaves starts in the future: they count from now.
    for _, ahead in ipairs(redis.call('ZRANGEBYSCORE', starts, '(' .. now, '+inf')) do
      redis.call('ZADD', starts, now, ahead)
    end
    redis.call('ZREMRANGEBYSCORE', starts, '-inf', now - limit[4])
    local left_over = limit[3] - redis.call('ZCARD', starts)
    if left_over <= bound then
      bound = left_over
      opens = (redis.call('ZRANGE', starts, 0, 0, 'WITHSCORES')[2] or now) + limit[4]
    end
  end
  return bound, opens
end
-- Where this worker's look goes on in lanes that begin with many partitions it does not know; -1: seen to the end.
local place, looked, stopped = prefix .. 'looked:' .. capability .. ':' .. worker, {}, false
local kept = redis.call('HGETALL', place)
for i = 1, #kept, 2 do looked[kept[i]] = tonumber(kept[i + 1]) end
local function read(name, count)
  local command = {'XREADGROUP', 'GROUP', 'workers', 'worker', 'COUNT', count, 'STREAMS', prefix .. name, '>'}
  local got = redis.pcall(unpack(command))
  if got and got.err and redis.call('EXISTS', prefix .. name) == 1 then
    -- Its group is gone (somebody destroyed it); without one its jobs would wait for ever.
    redis.call('XGROUP', 'CREATE', prefix .. name, 'workers', '0')
    got = redis.pcall(unpack(command))
  end
  return got and not got.err and got[1] and got[1][2] or {}
end
-- What did not start (a hit, a stray entry) took no room: the read goes on, for so many of them in one call.
local unstarted_left = 200
local function serve(lane, most)
  local ready, offset = prefix .. 'ready:' .. lane, looked[lane] or 0
  if offset < 0 then return end
  local limit = offset + 1000
  repeat
    local page = redis.call('ZRANGEBYSCORE', ready, '-inf', '(9000000000000000', 'LIMIT', offset, 64)
    for _, partition in ipairs(page) do
      local fn, digest = string.match(partition, '^([^:]+):?(.*)$')
      if redis.call('SISMEMBER', known, fn) == 0 then
        offset = offset + 1
      elseif free <= 0 or most <= 0 then
        left = left or fn
        return
      else
        local name = 'stream:' .. fn .. ':' .. lane .. (digest ~= '' and ':' .. digest or '')
        if lane == 's' then name = 'suspects:' .. partition end
        local bound, opens = bound_of(name, partition)
        local limited = bound < math.huge
        local emptied, asked
        repeat
          local may = math.min(free, most)
          if limited then may = math.min(may, slots_left) end
          asked = math.min(may, bound)
          if asked > 0 then
            local entries, before = read(name, asked), free
            -- A hit may wake a job into this very stream.
            made_ready[name] = nil
            for _, entry in ipairs(entries) do take(name, entry[1], entry[2][2]) end
            local started = before - free
            most, bound, unstarted_left = most - started, bound - started, unstarted_left - (#entries - started)
            if limited then slots_left = slots_left - started end
            emptied = #entries < asked and not made_ready[name]
          end
        until emptied or asked <= 0 or unstarted_left <= 0
        if starts then redis.call('PEXPIRE', starts, limits_of(fn)[4]) end
        if emptied then
          redis.call('ZREM', ready, partition)
        elseif bound <= 0 then
          redis.call('ZADD', ready, BLOCKED, partition)
          if opens then redis.call('ZADD', prefix .. 'throttled', opens, name) end
        elseif limited and slots_left <= 0 then
          unslotted = fn
          offset = offset + 1
        else
          redis.call('ZADD', ready, redis.call('INCR', prefix .. 'turn'), partition)
          left = fn
          return
        end
      end
    end
    if #page == 64 and offset > limit then
      looked[lane], stopped = offset, true
      return
    end
  until #page < 64
  looked[lane] = -1
end
if redis.call('EXISTS', prefix .. 'paused') == 0 then
  if suspects == '1' then serve('s', 1) end
  for lane in string.gmatch(lanes, '%d') do serve(lane, free) end
end
if unslotted then
  result[3] = 2
  ring(unslotted)
end
if left then
  result[3] = 1
  ring(left)
end
if stopped and free == tonumber(wanted) then
  result[3] = 1
  for lane, offset in pairs(looked) do redis.call('HSET', place, lane, offset) end
  redis.call('PEXPIRE', place, 60000)
elseif #kept > 0 then
  redis.call('DEL', place)
end
for _, times in ipairs({'scheduled', 'expiring', 'throttled'}) do
  local first = tonumber(redis.call('ZRANGE', prefix .. times, 0, 0, 'WITHSCORES')[2])
  if first and (result[2] == -1 or first < result[2]) then result[2] = first end
end
tell()
return result
