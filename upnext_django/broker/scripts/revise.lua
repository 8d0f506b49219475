#!lua flags=allow-oom
-- Says which revision of a schedule's row is the newest: tick.lua refuses what older knowledge makes.
-- KEYS: prefix
-- ARGS: name revision paused since begins gone keep_ms
-- USES: clock
-- paused "1" refuses who knows of no row too. Runs up to since (ms, "" for none) are no longer made; begins "1"
-- says that the schedule is new and that its ticks count from since.
-- gone "1" says that the row was deleted: the last tick is forgotten. The refusal ends by itself after keep_ms.
-- Returns 1, or 0 if a newer revision was told before.
local key = prefix .. 'revision:' .. name
local ticks = prefix .. 'cron'
local stored = string.match(redis.call('GET', key) or '0', '^%d+')
if tonumber(stored) > tonumber(revision) then return 0 end
redis.call('SET', key, paused == '1' and revision .. 'p' or revision, 'PX', keep_ms)
if gone == '1' then
  redis.call('HDEL', ticks, name)
  return 1
end
local last = redis.call('HGET', ticks, name)
if since == '' then return 1 end
if last and tonumber(last) < tonumber(since) then redis.call('HSET', ticks, name, since) end
-- A clock that is ahead of Redis's must not lose the first run.
if not last and begins == '1' then redis.call('HSET', ticks, name, math.min(now, tonumber(since))) end
return 1
