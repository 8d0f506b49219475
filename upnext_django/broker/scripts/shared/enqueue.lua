-- enqueue(id, name): appends the job to the stream called name, makes its partition ready, rings.
-- A name is "stream:<fn>:<lane>[:<digest>]" or "suspects:<fn>[:<digest>]"; returns the entry's id.
local function function_of(name) return string.match(name, '^%a+:([^:]+)') end
local function partition_of(name)
  local fn, lane, digest = string.match(name, '^stream:([^:]+):(%d):?(.*)$')
  if not fn then return 's', string.match(name, '^suspects:(.+)$') end
  if digest ~= '' then return lane, fn .. ':' .. digest end
  return lane, fn
end
local made_ready = {}
local function enqueue(id, name)
  local stream = prefix .. name
  local entry = redis.call('XADD', stream, 'NOMKSTREAM', '*', 'j', id)
  if not entry then
    redis.call('XGROUP', 'CREATE', stream, 'workers', '0', 'MKSTREAM')
    redis.call('SADD', prefix .. 'streams', name)
    entry = redis.call('XADD', stream, '*', 'j', id)
  end
  if not made_ready[name] then
    made_ready[name] = true
    local lane, partition = partition_of(name)
    local ready = prefix .. 'ready:' .. lane
    local score = redis.call('ZSCORE', ready, partition)
    -- A partition that is there already keeps its score: a blocked one is not worth a bell.
    if not score then redis.call('ZADD', ready, redis.call('GET', prefix .. 'turn') or 0, partition) end
    if not score or tonumber(score) < 9e15 then ring(function_of(name)) end
  end
  return entry
end
-- schedule(id, due, fn): a job that runs later; rings if nobody waits for an earlier one.
local function schedule(id, due, fn)
  redis.call('ZADD', prefix .. 'scheduled', due, id)
  if redis.call('ZRANGE', prefix .. 'scheduled', 0, 0)[1] == id then ring(fn) end
end
