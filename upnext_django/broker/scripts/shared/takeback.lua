-- take_back(stream name, entry, id): a job's worker, or the process that ran it, died. Crash + 1 and queued again, alone
-- from the second crash on; past max_crashes it fails as lost; a cancel that was asked for ends it. Returns 1, or 0 if the
-- job was not running. Those that failed for good are in died.
local died = {}
local function take_back(name, entry, id)
  local job = prefix .. 'job:' .. id
  local v = redis.call('HMGET', job, 'state', 'entry', 'seq', 'attempts', 'crashes', 'token', 'worker', 'started', 'cancel', 'key', 'reply', 'cache')
  redis.call('XACK', prefix .. name, 'workers', entry)
  redis.call('XDEL', prefix .. name, entry)
  if v[1] == queued and v[2] == entry then
    -- A claim broke off between its read and its stamp: the job never began.
    redis.call('HSET', job, 'entry', enqueue(id, name))
  end
  if v[1] ~= active or v[2] ~= entry then return 0 end
  local seq, crashes = v[3] + 1, (v[5] or 0) + 1
  local facts = '{"attempt":' .. v[4] .. ',"started":' .. v[8] .. ',"crashes":' .. crashes .. ',"worker":"' .. v[7] .. '"'
  if v[9] or crashes > tonumber(max_crashes) then
    local status, ttl, data = failed, lost_ttl, facts .. ',"error_type":"WorkerLost","error":"WorkerLost: the worker was lost '
      .. crashes .. ' times while it ran this job"}'
    if v[9] then status, ttl, data = cancelled, cancel_ttl, facts .. ',"error_type":"Cancelled","error":"cancelled"}' end
    finish(id, name, status, data, data, seq, ttl, v[10], v[11], v[12])
    if status == failed then died[#died + 1] = id end
    redis.call('HSET', job, 'crashes', crashes)
    redis.call('HDEL', job, 'entry')
    told(id, seq, recovered, status, v[6], ttl, data)
  else
    local to = front(name)
    if crashes >= 2 then to = string.gsub(name, '^stream:([^:]+):%d', 'suspects:%1') end
    redis.call('HSET', job, 'state', queued, 'stream', to, 'entry', enqueue(id, to), 'seq', seq, 'crashes', crashes,
      'attempts', v[4] - 1, 'token', v[6] + 1)
    told(id, seq, recovered, queued, v[6], 0, facts .. '}')
  end
  return 1
end
