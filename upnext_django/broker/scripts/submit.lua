#!lua
-- Accepts jobs: hash, stream entry or schedule, key, lineage, event, bell. A known id is not written again.
-- KEYS: prefix
-- ARGS: history max_events items*
-- STATES: submitted duplicated scheduled queued cancelled
-- USES: clock events ring enqueue
-- An item is id stream envelope n and then n pairs of a name and its value: delay or at (ms), key, expires (ms),
-- parent, reply, shown, cache; of those only what the job has.
-- Returns for each item "ACCEPTED", "EXISTS" or "DUPLICATE <winner>"; or {"BACKPRESSURE", events waiting}.
if history == '1' then
  local waiting = redis.call('XLEN', prefix .. 'events')
  if waiting >= tonumber(max_events) then return {'BACKPRESSURE', waiting} end
end
local answers, nothing, i = {}, {}, items_from
local fields
local function set(field, value) fields[#fields + 1] = field; fields[#fields + 1] = value end
while ARGV[i] do
  local id, name, envelope, more, given = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], nothing
  i = i + 4
  if more ~= '0' then
    given = {}
    for _ = 1, more do
      given[ARGV[i]] = ARGV[i + 1]
      i = i + 2
    end
  end
  local job, key, shown = prefix .. 'job:' .. id, given.key, given.shown or envelope
  local owner = false
  if redis.call('EXISTS', job) == 1 then
    answers[#answers + 1] = 'EXISTS'
  else
    if key then owner = redis.call('HGET', prefix .. 'keys:' .. function_of(name), key) end
    if owner then
      redis.call('HSET', job, 'duplicate_of', owner, 'created', now_text)
      redis.call('PEXPIRE', job, 86400000)
      told(id, 1, duplicated, cancelled, 0, 0, '{"duplicate_of":"' .. owner .. '",' .. string.sub(shown, 2))
      answers[#answers + 1] = 'DUPLICATE ' .. owner
    else
      local due = 0
      if given.delay then due = now + given.delay elseif given.at then due = tonumber(given.at) end
      fields = {'stream', name, 'env', envelope, 'created', now_text, 'seq', '1', 'state'}
      if due > now then
        fields[10] = scheduled
        set('run_at', due)
        schedule(id, due, function_of(name))
        told(id, '1', submitted, scheduled, '0', due, shown)
      else
        fields[10], fields[11], fields[12] = queued, 'entry', enqueue(id, name)
        told(id, '1', submitted, queued, '0', '0', shown)
      end
      if given ~= nothing then
        if key then set('key', key); redis.call('HSET', prefix .. 'keys:' .. function_of(name), key, id) end
        if given.cache then set('cache', given.cache) end
        if given.reply then set('reply', given.reply) end
        if given.expires then
          local until_ms = math.max(due, now) + given.expires
          set('expires', until_ms); redis.call('ZADD', prefix .. 'expiring', until_ms, id)
        end
        if given.parent then
          redis.call('SADD', prefix .. 'children:' .. given.parent, id)
          redis.call('PEXPIRE', prefix .. 'children:' .. given.parent, 86400000)
        end
      end
      redis.call('HSET', job, unpack(fields))
      answers[#answers + 1] = 'ACCEPTED'
    end
  end
end
tell()
return answers
