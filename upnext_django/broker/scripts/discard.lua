#!lua flags=allow-oom
-- Gives dead letters up: they are no dead letters any more and their keys end. The jobs stay failed.
-- KEYS: prefix
-- ARGS: history ttl items*
-- STATES: discarded failed cancelled
-- USES: clock events
-- An item is three values: id seq data. Data ("" for none) and seq are of the history's, told for a job that left Redis.
-- Returns for each item "DISCARDED", "MISSING", "REPLAYED <id>" or the status that forbids it.
local answers = {}
for i = items_from, #ARGV, 3 do
  local id, seq, data = unpack(ARGV, i, i + 2)
  local job = prefix .. 'job:' .. id
  local v = redis.call('HMGET', job, 'state', 'replayed', 'discarded', 'seq', 'stream', 'completed', 'ending', 'token', 'duplicate_of')
  local answer = 'DISCARDED'
  if v[9] then
    answer = cancelled
  elseif not v[1] then
    if data == '' then answer = 'MISSING' else told(id, seq, discarded, failed, 0, 0, data) end
  elseif v[1] ~= failed then
    answer = v[1]
  elseif v[2] then
    answer = 'REPLAYED ' .. v[2]
  elseif not v[3] then
    local rest = string.sub(v[7], 2)
    if rest ~= '}' then rest = ',' .. rest end
    redis.call('ZREM', prefix .. 'dead:' .. string.match(v[5], '^%a+:([^:]+)'), id)
    redis.call('HSET', job, 'discarded', now, 'seq', v[4] + 1)
    if history ~= '1' then redis.call('PEXPIRE', job, ttl) end
    told(id, v[4] + 1, discarded, failed, v[8] or 0, ttl, '{"completed":' .. v[6] .. rest)
  end
  answers[#answers + 1] = answer
end
tell()
return answers
