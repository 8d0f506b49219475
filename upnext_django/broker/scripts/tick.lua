#!lua
-- Makes the jobs of schedules: a tick is accepted once, by whoever comes first, and never before its time.
-- KEYS: prefix
-- ARGS: history max_events items*
-- STATES: submitted queued
-- USES: clock events ring enqueue
-- An item is ten values: name tick_ms since revision id stream expires_ms envelope shown cache; with tick_ms ""
-- it only asks. A schedule that nobody has asked for yet begins at since, "" for now: nothing before is its.
-- revision is that of the row the caller knows, "" if it knows of no row; revise.lua says which is the newest.
-- Returns now and, for each item, the last tick and "ACCEPTED", "KNOWN" (an earlier call had it), "EARLY",
-- "ASKED" or "OUTDATED"; or {"BACKPRESSURE", events waiting}.
if history == '1' then
  local waiting = redis.call('XLEN', prefix .. 'events')
  if waiting >= tonumber(max_events) then return {'BACKPRESSURE', waiting} end
end
local ticks = prefix .. 'cron'
local answers = {now}
local function outdated(key, revision)
  local newest = redis.call('GET', key)
  if not newest then return false end
  local stored, paused = string.match(newest, '^(%d+)(p?)$')
  if revision == '' then return paused == 'p' end
  if tonumber(revision) > tonumber(stored) then
    redis.call('SET', key, revision, 'KEEPTTL')
    return false
  end
  return paused == 'p' or tonumber(revision) < tonumber(stored)
end
for i = items_from, #ARGV, 10 do
  local schedule_name, tick, since, revision, id, name, expires, envelope, shown, cache = unpack(ARGV, i, i + 9)
  local answer = 'KNOWN'
  local last = redis.call('HGET', ticks, schedule_name)
  local is_old = outdated(prefix .. 'revision:' .. schedule_name, revision)
  if not last and not is_old then
    last = since == '' and now or math.min(now, tonumber(since))
    redis.call('HSET', ticks, schedule_name, last)
  end
  if is_old then
    last = last or now
    answer = 'OUTDATED'
  elseif tick == '' then
    answer = 'ASKED'
  elseif tonumber(tick) > now then
    answer = 'EARLY'
  elseif tonumber(tick) > tonumber(last) then
    last = tick
    redis.call('HSET', ticks, schedule_name, tick)
    local job = prefix .. 'job:' .. id
    if redis.call('EXISTS', job) == 0 then
      if shown == '' then shown = envelope end
      redis.call('HSET', job, 'stream', name, 'env', envelope, 'created', now, 'seq', 1, 'state', queued,
        'entry', enqueue(id, name))
      if cache ~= '' then redis.call('HSET', job, 'cache', cache) end
      told(id, 1, submitted, queued, 0, 0, shown)
      if expires ~= '' then
        redis.call('HSET', job, 'expires', now + expires)
        redis.call('ZADD', prefix .. 'expiring', now + expires, id)
      end
      answer = 'ACCEPTED'
    end
  end
  answers[#answers + 1] = last
  answers[#answers + 1] = answer
end
tell()
return answers
