#!lua flags=allow-oom
-- Keeps what a running attempt says of itself: progress, checkpoint, log lines.
-- KEYS: prefix
-- ARGS: history items*
-- STATES: reported active
-- USES: clock events
-- An item is six values: id token progress message checkpoint data ("" for what was not said).
-- Returns for each item "OK", "MISSING" or "STALE".
local answers = {}
for i = items_from, #ARGV, 6 do
  local id, token, progress, message, checkpoint, data = unpack(ARGV, i, i + 5)
  local job = prefix .. 'job:' .. id
  local v = redis.call('HMGET', job, 'state', 'token', 'seq')
  if not v[1] then
    answers[#answers + 1] = 'MISSING'
  elseif v[1] ~= active or v[2] ~= token then
    answers[#answers + 1] = 'STALE'
  else
    local fields = {'seq', v[3] + 1}
    if progress ~= '' then
      fields[#fields + 1] = 'progress'; fields[#fields + 1] = progress
      fields[#fields + 1] = 'message'; fields[#fields + 1] = message
    end
    if checkpoint ~= '' then fields[#fields + 1] = 'checkpoint'; fields[#fields + 1] = checkpoint end
    redis.call('HSET', job, unpack(fields))
    told(id, v[3] + 1, reported, active, token, 0, data)
    answers[#answers + 1] = 'OK'
  end
end
tell()
return answers
