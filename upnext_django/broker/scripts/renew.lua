#!lua flags=allow-oom
-- Proves that jobs still run here: their lease starts over.
-- KEYS: prefix
-- ARGS: items*
-- STATES: active
-- An item is two values: id token.
-- Returns for each item "OK", "CANCEL" (somebody asked for it) or "LOST" (another attempt owns the job, or it ended).
local answers = {}
for i = items_from, #ARGV, 2 do
  local v = redis.call('HMGET', prefix .. 'job:' .. ARGV[i], 'state', 'token', 'stream', 'entry', 'cancel')
  if v[1] ~= active or v[2] ~= ARGV[i + 1] then
    answers[#answers + 1] = 'LOST'
  else
    redis.call('XCLAIM', prefix .. v[3], 'workers', 'worker', 0, v[4], 'JUSTID')
    answers[#answers + 1] = v[5] and 'CANCEL' or 'OK'
  end
end
return answers
