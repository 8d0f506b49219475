#!lua flags=allow-oom
-- Ends waiting jobs as cancelled; asks the worker of running ones.
-- KEYS: prefix
-- ARGS: history data ttl items*
-- STATES: cancel_asked cancelled scheduled queued retrying active failed
-- USES: clock events ring enqueue leader limits finish withdraw
-- An item is a job id.
-- Returns for each item "CANCELLED", "ASKED", "MISSING", "DUPLICATE <winner>" or the status that forbids it.
local answers = {}
for i = items_from, #ARGV do
  local id = ARGV[i]
  local job = prefix .. 'job:' .. id
  local v = redis.call('HMGET', job, 'state', 'duplicate_of', 'worker', 'seq', 'token', 'cancel')
  local answer = v[1]
  if v[2] then
    answer = 'DUPLICATE ' .. v[2]
  elseif not v[1] then
    answer = 'MISSING'
  elseif v[1] == scheduled or v[1] == queued or v[1] == retrying then
    withdraw(id, cancelled, data, ttl)
    answer = 'CANCELLED'
  elseif v[1] == active then
    if not v[6] then
      redis.call('HSET', job, 'cancel', 1, 'seq', v[4] + 1)
      told(id, v[4] + 1, cancel_asked, active, v[5], 0, '{}')
    end
    local inbox = prefix .. 'inbox:' .. v[3]
    redis.call('XADD', inbox, '*', 'order', 'cancel', 'j', id)
    redis.call('PEXPIRE', inbox, 3600000)
    answer = 'ASKED'
  end
  answers[#answers + 1] = answer
end
tell()
return answers
