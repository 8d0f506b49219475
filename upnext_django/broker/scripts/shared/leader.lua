-- Of the jobs of one cache key one computes the value, its leader; the others are parked, in no stream.
local function front(name) return (string.gsub(name, '^(stream:[^:]+):%d', '%1:0')) end
-- hand_on(id, fn, digest): a leader ended without a value for all: the first in line is woken and leads.
-- Its turn had come when it was parked, so it does not queue behind what came after it.
local function hand_on(id, fn, digest)
  local leaders, line = prefix .. 'leaders:' .. fn, prefix .. 'parked:' .. fn .. ':' .. digest
  if redis.call('HGET', leaders, digest) ~= id then return end
  local successor = redis.call('ZPOPMIN', line)[1]
  while successor do
    local job = prefix .. 'job:' .. successor
    local name = redis.call('HGET', job, 'stream')
    if name then
      redis.call('HSET', leaders, digest, successor)
      redis.call('HSET', job, 'stream', front(name), 'entry', enqueue(successor, front(name)))
      return
    end
    -- Its hash is gone: a Redis that lost data must not leave a line without a leader.
    successor = redis.call('ZPOPMIN', line)[1]
  end
  redis.call('HDEL', leaders, digest)
end
